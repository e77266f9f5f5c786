/** The documentation against the program, both ways: what is there is described, what is described is there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { builtIn } from '../../config/built_in.ts'
import { configJsonSchema, type JsonSchema } from '../../config/schema.ts'
import { makeProgram } from '../../src/commands/program.ts'
import { examples, verbGroups, verbsOf } from '../../src/commands/teach.ts'
import { errorCodes, exitCodes } from '../../src/errors.ts'
import { readSources } from '../source_tree.ts'
import { pagePath, rewritten, writtenPages } from './pages.ts'

const page = (name: string): string => readFileSync(pagePath(name), 'utf8')
/** What stands in backticks in the first cells of those tables of a page whose head starts with this word. */
function firstCells(text: string, head: string): string[] {
  const cells: string[] = []
  let inside = false
  for (const line of text.split('\n')) {
    if (!line.startsWith('|')) inside = false
    else if (line.startsWith(`| ${head} |`)) inside = true
    else if (inside) cells.push(...[...(line.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name!))
  }
  return cells
}

describe('what is written from the program', () => {
  test.each(writtenPages)('docs/%s is as `npm run docs` writes it', (name) => {
    expect(page(name)).toBe(rewritten(name))
  })
})

describe('docs/errors.md and docs/cli.md', () => {
  test('say what to do about every code, and about no other', () => {
    expect([...new Set(firstCells(page('errors.md'), 'code'))]).toEqual(Object.keys(errorCodes))
  })
  test('tell every exit code', () => {
    const told = [...page('cli.md').matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code))
    expect(told).toEqual(Object.values(exitCodes))
  })
})

describe('the help', () => {
  const verbs = verbsOf(makeProgram()).filter(([, command]) => command.name() !== 'help')
  const leaves = new Map(verbs.filter(([, command]) => command.commands.length === 0))

  test('has a group and a line for every verb, and none for another', () => {
    const top = verbs.map(([words]) => words).filter((words) => !words.includes(' '))
    expect(Object.values(verbGroups).flatMap(Object.keys).toSorted()).toEqual(top.toSorted())
    for (const line of Object.values(verbGroups).flatMap(Object.values)) expect(line.length).toBeLessThanOrEqual(52)
  })
  test('has an example for every verb, and none for another', () => {
    expect(Object.keys(examples).toSorted()).toEqual([...leaves.keys()].toSorted())
  })
  test.each(Object.values(examples).flatMap((all) => all.map(([example]) => example)))('%s can be typed', (example) => {
    const calls = wordsOf(example)
      .map((words) => words.slice(words.indexOf('douane') + 1, words.includes('douane') ? undefined : 0))
      .filter((words) => words.length > 0)
    expect(calls.length > 0 || example.startsWith('kill ')).toBe(true)
    for (const words of calls) expect(wrongUsage(leaves, words)).toBeUndefined()
  })
  test('describes every option and every verb', () => {
    const bare = verbs.flatMap(([words, command]) => [
      ...(command.description() === '' ? [words] : []),
      ...command.options.filter(({ description }) => !description).map(({ long }) => `${words} ${long}`),
    ])
    expect(bare).toEqual([])
  })
})

/** A line of shell as the words of its commands: quotes and pipes are understood, redirections cut off. */
function wordsOf(line: string): string[][] {
  return line
    .split(/ [|] /)
    .map((part) =>
      (part.split(' > ')[0]!.match(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g) ?? []).map((word) => word.replace(/^'|'$/g, '')),
    )
}

/** What commander would refuse, without running the verb. */
function wrongUsage(leaves: ReadonlyMap<string, Command>, words: readonly string[]): string | undefined {
  for (let n = Math.min(3, words.length); n > 0; n--) {
    const command = leaves.get(words.slice(0, n).join(' '))
    if (command === undefined) continue
    const { operands, unknown } = command.parseOptions(words.slice(n))
    if (unknown.length > 0) return `unknown ${unknown.join(' ')}`
    if (operands.length > command.registeredArguments.length && !command.registeredArguments.at(-1)?.variadic)
      return 'too many arguments'
    const missing = command.options.find(
      (option) => option.mandatory && command.getOptionValue(option.attributeName()) === undefined,
    )
    return missing === undefined ? undefined : `${missing.long} is missing`
  }
  return `no verb ${words.join(' ')}`
}

describe('the pages of components', () => {
  const sections = configJsonSchema(builtIn).properties!
  const own = new Set(['timeout', 'sending_queue', 'retry_on_failure', 'region'])
  const schemaOf = (section: string, name: string): JsonSchema =>
    sections[section]!.patternProperties![`^${name}(/[\\w.-]+)?$`]!.anyOf![0]!
  /** Dotted names of all options; what users name themselves is left out. */
  function optionsOf({ properties = {}, additionalProperties, anyOf = [], items }: JsonSchema, path = ''): string[] {
    const named = Object.entries(properties).flatMap(([name, schema]) => [
      path + name,
      ...optionsOf(schema, `${path}${name}.`),
    ])
    const below = [additionalProperties, items, ...anyOf].filter((part) => part instanceof Object)
    return [...named, ...below.flatMap((part) => optionsOf(part as JsonSchema, path))]
  }
  const components: [kind: string, name: string, page: string][] = [
    ...builtIn.processors.map(({ name }): [string, string, string] => ['processors', name, `${name}.md`]),
    ...builtIn.exporters.map(({ name }): [string, string, string] => [
      'exporters',
      name,
      existsSync(pagePath(`${name}.md`)) ? `${name}.md` : 'exporters.md',
    ]),
    ['receivers', 'otlp', 'receive.md'],
  ]

  test.each(components)('%s: %s has every option on docs/%s', (section, name, file) => {
    const text = page(file)
    const options = optionsOf(schemaOf(section, name)).filter((option) => !own.has(option.split('.')[0]!))
    // As `name`, as `parent.name`, as the parent of such a name, or in an example.
    const told = (option: string): boolean => {
      const parts = option.split('.')
      const names = parts.map((_, at) => parts.slice(at).join('.'))
      const last = parts.at(-1)
      return (
        names.some((name) => text.includes(`\`${name}\``)) || text.includes(`\`${last}.`) || text.includes(`${last}:`)
      )
    }
    expect(options.filter((option) => !told(option))).toEqual([])
  })
  test('the options of delivery are on docs/delivery.md, and no other', () => {
    const all = optionsOf(schemaOf('exporters', 'nop')).filter((option) => own.has(option.split('.')[0]!))
    const inTable = firstCells(page('delivery.md'), 'option')
    expect(all.filter((option) => option.includes('.') || option === 'timeout').toSorted()).toEqual(inTable.toSorted())
  })
  /** docs/receive.md also tells of authenticators, which are extensions, and of limits, which the service has. */
  const besides = Object.values(sections['extensions']!.patternProperties!)
    .flatMap(({ anyOf }) => optionsOf(anyOf![0]!))
    .concat(optionsOf(sections['service']!))
    .flatMap((option) => option.split('.'))
  test('no page tells an option that there is not', () => {
    const wrong = [...new Set(components.map(([, , file]) => file))].flatMap((file) => {
      const of = components.filter(([, , other]) => other === file)
      const known = new Set(
        of.flatMap(([section, name]) => optionsOf(schemaOf(section, name))).flatMap((option) => option.split('.')),
      )
      if (file === 'receive.md') for (const name of besides) known.add(name)
      return firstCells(page(file), 'option')
        .flatMap((option) => option.split('.'))
        .filter((name) => !known.has(name) && !sectionWords.has(name))
        .map((name) => `${file}: ${name}`)
    })
    expect(wrong).toEqual([])
  })
  /** Where tables name the way to an option of an extension. */
  const sectionWords = new Set(['protocols', 'grpc', 'http', 'auth', 'tenant', 'tls'])
})

describe('metrics of components', () => {
  const made = ['processors', 'exporters'].flatMap((folder) =>
    readSources([folder]).flatMap(({ path, text }) =>
      [...text.matchAll(/\b(?:host|this\.#host)\.(?:counter|gauge)\(\s*'(\w+)'/g)].map(
        ([, name]): [string, string, string] => [folder, path.split('/')[1]!.replace('.ts', ''), name!],
      ),
    ),
  )
  test('there are some', () => {
    expect(made.length).toBeGreaterThan(5)
  })
  test.each(made)('%s: %s tells of %s on its page', (_, component, name) => {
    const own = existsSync(pagePath(`${component}.md`)) ? `${component}.md` : 'exporters.md'
    const bareName = name.replace(`${component}_`, '')
    expect(page(own)).toMatch(new RegExp(`[\`_]${bareName}\\b`))
  })
})

describe('links', () => {
  test('lead to every page', () => {
    const all = readdirSync(pagePath('.')).filter((name) => name.endsWith('.md'))
    const readme = page('../README.md')
    expect(
      all.filter(
        (name) =>
          !readme.includes(`(docs/${name})`) &&
          !all.some((other) => other !== name && page(other).includes(`(${name}`)),
      ),
    ).toEqual([])
  })
  const pages = [
    ...readdirSync(join(pagePath('.'))).filter((name) => name.endsWith('.md')),
    '../README.md',
    '../CHANGELOG.md',
  ].concat(readdirSync(pagePath('decisions')).map((name) => `decisions/${name}`))
  test.each(pages)('of docs/%s lead to files that are there', (name) => {
    const targets = [...page(name).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, target]) => target!)
    const broken = targets
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => !existsSync(join(pagePath(name), '..', target)))
    expect(broken).toEqual([])
  })
})
