/**
 * IP addresses and networks as Go's net package reads them: IPv4 without leading zeros, IPv6 with one `::` and an IPv4
 * tail, no zones. An IPv4-mapped IPv6 address is that IPv4 address. An address is its family and its number.
 */
export interface Address {
  readonly bits: 32 | 128
  readonly number: bigint
}
export interface Network {
  readonly bits: 32 | 128
  readonly prefix: bigint
  readonly shift: bigint
}

export function parseAddress(text: string): Address | undefined {
  const address = text.includes(':') ? parseV6(text) : parseV4(text)
  if (address === undefined) return undefined
  const isMapped = address.bits === 128 && address.number >> 32n === 0xffffn
  return isMapped ? { bits: 32, number: address.number & 0xffffffffn } : address
}

function parseV4(text: string): Address | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined
  return { bits: 32, number: parts.reduce((number, part) => (number << 8n) | BigInt(part), 0n) }
}

function parseV6(text: string): Address | undefined {
  const halves = text.split('::')
  if (text.length > 45 || halves.length > 2) return undefined
  const [head, tail] = halves.map(groupsOf)
  if (head === undefined) return undefined
  if (halves.length === 1) return head.length === 8 ? { bits: 128, number: join(head) } : undefined
  if (tail === undefined || head.length + tail.length > 7) return undefined
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => 0n)
  return { bits: 128, number: join([...head, ...zeros, ...tail]) }
}

const join = (groups: readonly bigint[]): bigint => groups.reduce((number, group) => (number << 16n) | group, 0n)

/** The 16-bit groups of one side of `::`; an IPv4 address at its end gives two. */
function groupsOf(side: string): bigint[] | undefined {
  if (side === '') return []
  const groups: bigint[] = []
  const parts = side.split(':')
  for (const [i, part] of parts.entries()) {
    const v4 = i === parts.length - 1 && part.includes('.') ? parseV4(part) : undefined
    if (v4 !== undefined) groups.push(v4.number >> 16n, v4.number & 0xffffn)
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(BigInt(`0x${part}`))
    else return undefined
  }
  return groups
}

/** `10.0.0.0/8`. */
export function parseNetwork(text: string): Network | undefined {
  const [base, length] = text.split('/')
  const address = base === undefined ? undefined : base.includes(':') ? parseV6(base) : parseV4(base)
  if (address === undefined || length === undefined || !/^\d{1,3}$/.test(length)) return undefined
  const shift = address.bits - Number(length)
  if (shift < 0 || text.split('/').length !== 2) return undefined
  return { bits: address.bits, prefix: address.number >> BigInt(shift), shift: BigInt(shift) }
}

export const contains = (network: Network, address: Address): boolean =>
  network.bits === address.bits && address.number >> network.shift === network.prefix
