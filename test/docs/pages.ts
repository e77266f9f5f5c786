/**
 * Parts of the documentation that are written from the program, so that they cannot say something else than it does:
 * what stands between `<!-- written by npm run docs: NAME -->` and `<!-- end -->`. The rest of a page is written by hand.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeProgram } from '../../src/commands/program.ts'
import { verbsOf } from '../../src/commands/teach.ts'
import { errorCodes } from '../../src/errors.ts'
import { limits } from '../../src/limits.ts'

const root = join(import.meta.dirname, '../..')
export const pagePath = (page: string): string => join(root, 'docs', page)

const parts: Readonly<Record<string, () => string>> = { verbs, limits: limitsTable, errors: errorsTable }
/** Pages that hold such parts. */
export const writtenPages = ['cli.md', 'limits.md', 'errors.md']

/** The page as it is to be. */
export function rewritten(page: string): string {
  const text = readFileSync(pagePath(page), 'utf8')
  return text.replaceAll(/(<!-- written by npm run docs: (\w+) -->\n)[\s\S]*?(<!-- end -->)/g, (_, head, name, end) => {
    const part = parts[name]
    if (part === undefined) throw new Error(`docs/${page}: there is no part ${name}`)
    return `${head}\n${part()}\n${end}`
  })
}

/** Every verb with its own `--help`, 100 columns wide. */
function verbs(): string {
  const all = verbsOf(makeProgram()).filter(([, command]) => command.name() !== 'help')
  return all
    .filter(([, command]) => command.commands.length === 0)
    .map(([words, command]) => {
      let help = ''
      command.configureOutput({
        writeOut: (text) => {
          help += text
        },
        getOutHelpWidth: () => 100,
        getOutHasColors: () => false,
      })
      command.outputHelp()
      return `### ${words}\n\n\`\`\`\n${help.trim()}\n\`\`\`\n`
    })
    .join('\n')
}

function errorsTable(): string {
  const rows = Object.entries(errorCodes).map(([code, meaning]) => `| \`${code}\` | ${meaning} |\n`)
  return `| code | meaning |\n| --- | --- |\n${rows.join('')}`
}

/**
 * limits.ts as tables: a comment over a limit explains it and those below it up to the next comment; a `//` line
 * starts a section.
 */
function limitsTable(): string {
  const body = linesOf('src/limits.ts')
    .replace('  ...keyLimits,', () => linesOf('src/limits_of_keys.ts'))
    .replace('  ...storeLimits,', () => linesOf('src/limits_of_stores.ts'))
  const head = ['', '| limit | value | what |', '| --- | --- | --- |']
  const lines: string[] = ['## Requests, and what all parts share', ...head]
  let said = ''
  let open = false
  for (const line of body.split('\n')) {
    const text = line.trim()
    const name = /^(\w+):/.exec(text)?.[1]
    if (text.startsWith('//')) {
      const [, title, more] = /^\/\/ (.*?)(?:[:.,] (.*)|\.?$)/.exec(text) ?? []
      lines.push('', `## ${title}`, ...(more ? ['', `${more[0]!.toUpperCase()}${more.slice(1)}`] : []), ...head)
      said = ''
    } else if (text.startsWith('/**') || open) {
      said = `${open ? `${said} ` : ''}${text.replace(/^\/?\*+\/?\s*|\s*\*\/$/g, '')}`.trim()
      open = !text.endsWith('*/')
    } else if (name !== undefined) {
      lines.push(`| \`${name}\` | ${shown(name as keyof typeof limits)} | ${said} |`)
      said = said === '' ? '' : 'as above'
    }
  }
  return `${lines.join('\n')}\n`
}

function linesOf(path: string): string {
  const source = readFileSync(join(root, path), 'utf8')
  const start = source.indexOf('\n', source.indexOf('export const'))
  return source.slice(start, source.indexOf('} as const'))
}

/** A number with the unit that its name ends in. */
function shown(name: keyof typeof limits): string {
  const value: number | string = limits[name]
  if (typeof value === 'string') return value
  const steps: [number, string][] = /Bytes/.test(name)
    ? [
        [1024 ** 3, 'GiB'],
        [1024 ** 2, 'MiB'],
        [1024, 'KiB'],
        [1, 'bytes'],
      ]
    : /Ms(?:$|Max|Min)/.test(name)
      ? [
          [86_400_000, 'days'],
          [3_600_000, 'h'],
          [60_000, 'min'],
          [1000, 's'],
          [1, 'ms'],
        ]
      : [[1, '']]
  const [unit, word] = steps.find(([size]) => value >= size && value % size === 0) ?? [1, '']
  return `${(value / unit).toLocaleString('en')} ${word}`.trim()
}
