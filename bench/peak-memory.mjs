// Loaded into a program with `node --import`: leaves the largest memory it ever had, in KiB, in $PEAK_MEMORY_FILE.
import { writeFileSync } from 'node:fs';

process.on('exit', () => writeFileSync(process.env.PEAK_MEMORY_FILE, String(process.resourceUsage().maxRSS)));
