import { readFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
const files = execFileSync('git',['ls-files','scripts','image/supervisor'],{encoding:'utf8'}).split('\n').filter(f=>f.endsWith('.ts')&&!f.includes('scripts/build'));
const LIT=/(?<=[(,=:|&!?\[{;\s])\/(?![*\/])((?:[^\/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)\/([dgimsuvy]*)/g;
const units=[' ','\n','\r','\t','=','a','A','0','.','-','/',':','"',"'",',','│','|','a ','\n ',' \n','\\','a,','a.','a-','a=','a:','(',')','[','#','\u001b[','x\n','<','>','%','@','_','a_','0.','1-','❯'];
let n=0;
for (const f of files) for (const m of readFileSync(f,'utf8').matchAll(LIT)) {
  let re: RegExp; try { re=new RegExp(m[1]!,m[2]); } catch { continue; } n++;
  // literal beginnings
  const lit=(m[1]!.replace(/\\([.\/\[\](){}*+?^$|-])/g,'$1').match(/^\^?([A-Za-z:\[" -]+)/)?.[1])??'';
  const lits=new Set(['', lit, lit.slice(0,-1), 'Error: ', '1-', 'a=']);
  for (const pre of lits) for (const u of units) for (const post of ['x','\u0001','']) {
    const s=pre+u.repeat(16000/u.length)+post;
    const t=process.cpuUsage(); 
    if (re.global||re.sticky) s.replace(re,''); else re.exec(s);
    const c=process.cpuUsage(t); const ms=(c.user+c.system)/1000;
    if (ms>40) { console.log(f, ms.toFixed(0)+'ms', JSON.stringify(pre), JSON.stringify(u), JSON.stringify(post), m[0].slice(0,120)); }
  }
}
console.log(n,'expressions');
