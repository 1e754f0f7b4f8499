// Loaded into a program with `node --import`: writes its peak memory, in KiB, to $PEAK_MEMORY_FILE.
import { writeFileSync } from 'node:fs';

process.on('exit', () => writeFileSync(process.env.PEAK_MEMORY_FILE, String(process.resourceUsage().maxRSS)));
