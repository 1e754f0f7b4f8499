/**
 * A server on loopback that answers claude as the messages API does: a turn, a call of a tool, each error. What it answers is
 * for the test to say; what claude asked besides (feature flags, its profile, a greeting) is refused, as an API that knows
 * nothing of them would.
 *
 * The shapes are those of the public API reference (https://docs.anthropic.com/en/api/messages-streaming,
 * https://docs.anthropic.com/en/api/errors); the headers of a subscription's limits are those the program reads.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What an answer to a prompt is. */
export type Answer =
  | { readonly say: string }
  /** Calls a tool; what claude sends back is answered with `then`. */
  | { readonly tool: string; readonly input: object; readonly then?: string }
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body: object }
  /** Begins and goes on for ever: an agent at work. */
  | { readonly think: true };

export interface MessagesServer {
  readonly url: string;
  /** What was asked so far: method and path, and the body. */
  readonly requests: { readonly line: string; readonly body: string }[];
  /** What a prompt is answered with from now on; `asked` is the request, as JSON text, and `token` what it came with. */
  answer: Answer | ((asked: string, token: string) => Answer);
  /** What other paths are answered with, by their beginning; everything else is 404. */
  readonly others: Map<string, object>;
  close(): Promise<void>;
}

export async function messagesServer(): Promise<MessagesServer> {
  const server = createServer((request, response) => {
    serve(state, request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const state: MessagesServer = {
    url: `http://127.0.0.1:${port}`,
    requests: [],
    answer: { say: 'Done.' },
    others: new Map(),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return state;
}

async function serve(
  state: MessagesServer,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const path = request.url ?? '';
  const text = Buffer.concat(pieces).toString('utf8');
  state.requests.push({ line: `${request.method} ${path}`, body: text });
  const other = [...state.others].find(([prefix]) => path.startsWith(prefix));
  if (request.method === 'POST' && path.startsWith('/v1/messages?')) {
    const token = (request.headers.authorization ?? '').replace('Bearer ', '');
    const answer = typeof state.answer === 'function' ? state.answer(text, token) : state.answer;
    answerMessage(answer, JSON.parse(text) as MessageRequest, response);
  } else if (other !== undefined) {
    json(response, 200, other[1]);
  } else {
    json(response, 404, { type: 'error', error: { type: 'not_found_error', message: 'Not found' } });
  }
}

interface MessageRequest {
  readonly model: string;
  readonly stream?: boolean;
  readonly tools?: readonly { readonly name: string }[];
  readonly messages: readonly { readonly role: string; readonly content: unknown }[];
}

function answerMessage(answer: Answer, request: MessageRequest, response: ServerResponse): void {
  if ('status' in answer) {
    json(response, answer.status, answer.body, answer.headers);
    return;
  }
  const content = contentOf(answer, request);
  if (!request.stream) {
    json(response, 200, message(request.model, [content], 'end_turn'));
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream', 'request-id': 'req_01' });
  const send = (type: string, data: object) =>
    response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`);
  send('message_start', { message: message(request.model, [], null) });
  if ('think' in answer && request.tools?.length) {
    const timer = setInterval(() => send('ping', {}), 1_000);
    response.once('close', () => clearInterval(timer));
    return;
  }
  const [empty, delta] =
    content.type === 'text'
      ? [
          { type: 'text', text: '' },
          { type: 'text_delta', text: content.text },
        ]
      : [
          { ...content, input: {} },
          { type: 'input_json_delta', partial_json: JSON.stringify(content.input) },
        ];
  send('content_block_start', { index: 0, content_block: empty });
  send('content_block_delta', { index: 0, delta });
  send('content_block_stop', { index: 0 });
  const stop = content.type === 'text' ? 'end_turn' : 'tool_use';
  send('message_delta', { delta: { stop_reason: stop, stop_sequence: null }, usage: { output_tokens: 5 } });
  send('message_stop', {});
  response.end();
}

/** A tool that is not offered at once is looked up first, as a model does. */
function contentOf(answer: Answer, { tools = [], messages }: MessageRequest): Content {
  if ('say' in answer) return { type: 'text', text: answer.say };
  if (!('tool' in answer)) return { type: 'text', text: '…' };
  const called = (name: string) =>
    JSON.stringify(messages).includes(`"type":"tool_use","id":"toolu_${name}"`);
  const offered = (name: string) => tools.some((tool) => tool.name === name);
  const call = (name: string, input: object): Content => ({
    type: 'tool_use',
    id: `toolu_${name}`,
    name,
    input,
  });
  // Titles and the like are asked for without tools.
  if (tools.length === 0 || called(answer.tool)) return { type: 'text', text: answer.then ?? 'Done.' };
  if (offered(answer.tool) || called('ToolSearch')) return call(answer.tool, answer.input);
  return call('ToolSearch', { query: `select:${answer.tool}` });
}

type Content =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'tool_use'; readonly id: string; readonly name: string; readonly input: object };

const message = (model: string, content: readonly Content[], stop: string | null) => ({
  id: 'msg_01',
  type: 'message',
  role: 'assistant',
  model,
  content,
  stop_reason: stop,
  stop_sequence: null,
  usage: { input_tokens: 10, output_tokens: 1 },
});

function json(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', 'request-id': 'req_01', ...headers });
  response.end(JSON.stringify(body));
}
