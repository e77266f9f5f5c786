/**
 * Whether a user's pattern can backtrack catastrophically: `(a+)+$`, `(\w|\d)*x`.
 *
 * RE2 runs such a pattern in linear time, so nothing would break here. It is refused all the same: it does not say what
 * its author meant, and every other tool that it is copied to breaks on it.
 *
 * A pattern backtracks exponentially if and only if its automaton is exponentially ambiguous: from some state there are
 * two different ways back to it over the same text (Weber and Seidl, 1991). Looked for in the product of the automaton
 * with itself: a loop through (q, q) and a pair of two different states, or two different ways of the same step.
 */
import { RE2JS } from 're2js'
import { limits } from '../../src/limits.ts'

/** Instructions of RE2's program: those that read a character, and those that go two ways. */
const Op = {
  Alt: 1,
  AltMatch: 2,
  Capture: 3,
  EmptyWidth: 4,
  Fail: 5,
  Match: 6,
  Nop: 7,
  Rune: 8,
  AnyRune: 10,
  AnyNotNewline: 11,
} as const
interface Instruction {
  readonly op: number
  readonly out: number
  readonly arg: number
  readonly runes: Int32Array
}

/** Why the pattern is refused; undefined = it may be used. Throws what RE2 throws for a pattern that is none. */
export function catastrophe(pattern: string): string | undefined {
  // RE2 makes `(?:a+)+` an `a+`. With captures it stays as it was written.
  const program = programOf(RE2JS.compile(captured(pattern)))
  if (program.length > limits.customPatternStatesMax) return 'it is too large: shorten its repetitions'
  const reads = program.flatMap((instruction, i) => (instruction.op >= Op.Rune ? [i] : []))
  const steps = new Map(reads.map((state) => [state, stepsFrom(program, program[state]!.out)]))
  const isLoop = components(reads, (state) => [...steps.get(state)!.keys()])
  for (const state of reads)
    for (const [next, ways] of steps.get(state)!)
      if (ways > 1 && isLoop.get(state) === isLoop.get(next)) return ambiguous
  return hasTwins(program, reads, steps, isLoop) ? ambiguous : undefined
}
const ambiguous = 'a repetition inside a repetition, or alternatives of one, can match the same text in several ways'

/** Every group and every alternative in a group of its own, outside of classes and escapes: `a|b` as `(a)|(b)`. */
function captured(pattern: string): string {
  let out = '('
  let isClass = false
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i]!
    if (c === '\\') out += c + (pattern[++i] ?? '')
    else if (isClass || c === '[') {
      isClass = c !== ']'
      out += c
    } else if (c === '(') {
      const special = /^\(\?(?:(?:P?<\w+>|:)|[imsU-]+[:)])/.exec(pattern.slice(i))?.[0] ?? '('
      i += special.length - 1
      if (special.endsWith(')')) out += special
      else out += /^\(\?[imsU-]/.test(special) ? `${special}(` : '(('
    } else out += c === '|' ? ')|(' : c === ')' ? '))' : c
  }
  return `${out})`
}

function programOf(compiled: RE2JS): readonly Instruction[] {
  const { re2Input } = compiled as unknown as { re2Input: { prog: { inst: Instruction[] } } }
  return re2Input.prog.inst
}

/** The reading states that follow without reading, with in how many ways (2 stands for more). */
function stepsFrom(program: readonly Instruction[], start: number): Map<number, number> {
  const found = new Map<number, number>()
  const visits = new Map<number, number>()
  const visit = (at: number): void => {
    // Twice shows that there is more than one way, around an empty loop too.
    const seen = visits.get(at) ?? 0
    if (seen === 2) return
    visits.set(at, seen + 1)
    const { op, out, arg } = program[at]!
    if (op === Op.Fail || op === Op.Match) return
    if (op >= Op.Rune) {
      found.set(at, Math.min(2, (found.get(at) ?? 0) + 1))
      return
    }
    visit(out)
    if (op === Op.Alt || op === Op.AltMatch) visit(arg)
  }
  visit(start)
  return found
}

/** Each node's strongly connected component (Tarjan, without recursion); nodes that are on no loop have none. */
function components<T>(nodes: readonly T[], edges: (node: T) => readonly T[]): Map<T, number> {
  const index = new Map<T, number>()
  const low = new Map<T, number>()
  const stack: T[] = []
  const isOpen = new Set<T>()
  const result = new Map<T, number>()
  for (const root of nodes) {
    if (index.has(root)) continue
    const work: { node: T; next: number; edges: readonly T[] }[] = []
    const open = (node: T): void => {
      index.set(node, index.size)
      low.set(node, index.size - 1)
      stack.push(node)
      isOpen.add(node)
      work.push({ node, next: 0, edges: edges(node) })
    }
    open(root)
    while (work.length > 0) {
      const frame = work.at(-1)!
      const target = frame.edges[frame.next++]
      if (target !== undefined) {
        if (!index.has(target)) open(target)
        else if (isOpen.has(target)) low.set(frame.node, Math.min(low.get(frame.node)!, index.get(target)!))
        continue
      }
      work.pop()
      const above = work.at(-1)
      if (above) low.set(above.node, Math.min(low.get(above.node)!, low.get(frame.node)!))
      if (low.get(frame.node) !== index.get(frame.node)) continue
      const members = stack.splice(stack.lastIndexOf(frame.node))
      for (const member of members) isOpen.delete(member)
      if (members.length > 1 || frame.edges.includes(frame.node))
        for (const member of members) result.set(member, index.get(frame.node)!)
    }
  }
  return result
}

/** Whether two different states can be reached from one, and lead back to it, over the same text. */
function hasTwins(
  program: readonly Instruction[],
  reads: readonly number[],
  steps: ReadonlyMap<number, ReadonlyMap<number, number>>,
  isLoop: ReadonlyMap<number, number>,
): boolean {
  const looping = reads.filter((state) => isLoop.has(state))
  if (looping.length ** 2 > limits.customPatternPairsMax) return true
  const size = program.length
  let work = 0
  const edges = (pair: number): number[] => {
    const [p, q] = [Math.floor(pair / size), pair % size]
    if (!overlaps(program[p]!, program[q]!)) return []
    const next: number[] = []
    for (const a of steps.get(p)!.keys()) {
      if (isLoop.get(a) !== isLoop.get(p)) continue
      for (const b of steps.get(q)!.keys()) if (isLoop.get(b) === isLoop.get(q)) next.push(a * size + b)
    }
    work += next.length
    return work > limits.customPatternPairsMax ? [] : next
  }
  const found = components(
    looping.map((state) => state * size + state),
    edges,
  )
  if (work > limits.customPatternPairsMax) return true
  const diagonal = new Set(looping.flatMap((state) => found.get(state * size + state) ?? []))
  for (const [pair, component] of found)
    if (Math.floor(pair / size) !== pair % size && diagonal.has(component)) return true
  return false
}

/** Whether some character is read by both. */
function overlaps(a: Instruction, b: Instruction): boolean {
  if (a === b) return true
  for (const [low, high] of ranges(a)) for (const [from, to] of ranges(b)) if (low <= to && from <= high) return true
  return false
}
function ranges({ op, runes }: Instruction): [number, number][] {
  if (op === Op.AnyRune) return [[0, 0x10ffff]]
  if (op === Op.AnyNotNewline)
    return [
      [0, 9],
      [11, 0x10ffff],
    ]
  if (runes.length === 1) return [[runes[0]!, runes[0]!]]
  return Array.from({ length: runes.length >> 1 }, (_, i) => [runes[i * 2]!, runes[i * 2 + 1]!])
}
