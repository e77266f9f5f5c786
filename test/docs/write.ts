/** `npm run docs`: writes the parts of docs/ that come from the program. */
import { writeFileSync } from 'node:fs'
import { pagePath, rewritten, writtenPages } from './pages.ts'

for (const page of writtenPages) writeFileSync(pagePath(page), rewritten(page))
