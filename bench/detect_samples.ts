/** Seeded samples for bench/detect.ts: ordinary log lines without personal data, and lines with labelled findings. */
export interface Row {
  text: string
  spans: { start: number; end: number; type: string }[]
  negFor?: string
  /** The spans are guesses: a finding anywhere in the row counts. */
  approx?: boolean
}

/** Numbers in [0, n) from a seed (mulberry32). */
function random(seed: number): (n: number) => number {
  let state = seed
  return (n) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * n)
  }
}

class Sampler {
  readonly below: (n: number) => number
  constructor(seed: number) {
    this.below = random(seed)
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!
  }
  text(alphabet: string, length: number): string {
    return Array.from({ length }, () => alphabet[this.below(alphabet.length)]).join('')
  }
  hex = (n: number): string => this.text('0123456789abcdef', n)
  digits = (n: number): string => this.text('0123456789', n)
  uuid = (): string => `${this.hex(8)}-${this.hex(4)}-4${this.hex(3)}-a${this.hex(3)}-${this.hex(12)}`
  time = (): string =>
    `2026-0${1 + this.below(9)}-1${this.below(10)}T0${this.below(10)}:3${this.below(10)}:4${this.below(10)}.${this.digits(3)}Z`
  ms = (): string => `17${this.digits(11)}`
  word = (): string =>
    this.pick(
      'worker cache batch queue shard index request session handler upload segment replica leader commit consumer table block volume route module plugin driver kernel'.split(
        ' ',
      ),
    )
}

const clean: ((s: Sampler) => string)[] = [
  (s) =>
    `${s.time()} INFO Request GET /api/v1/projects/${s.below(99999)} handled by worker ${s.below(16)} in ${s.below(300)} ms status=200 bytes=${s.below(9e6)} cache=hit`,
  (s) =>
    `level=info ts=${s.ms()} caller=main.go:${s.below(900)} msg="${s.word()} ready" took=${s.below(900)}.${s.digits(6)}ms id=${s.uuid()}`,
  (s) =>
    `[${s.ms()}.${s.digits(3)}] ${s.word()}[${s.below(32768)}]: 0x${s.hex(16)} mapped to 0x${s.hex(12)} size ${s.below(1e9)}`,
  (s) =>
    `trace_id=${s.hex(32)} span_id=${s.hex(16)} offset=${s.digits(12)} partition=${s.below(64)} lag=${s.below(1e7)}`,
  (s) =>
    `commit ${s.hex(40)} merged into release/${s.below(9)}.${s.below(30)}.${s.below(90)} build ${s.digits(9)} sha256:${s.hex(64)}`,
  (s) =>
    `{"time":"${s.time()}","level":"debug","msg":"${s.word()} flushed","count":${s.below(1e6)},"seq":${s.digits(15)},"ok":true,"ratio":0.${s.digits(16)}}`,
  (s) =>
    `kernel: [${s.below(99999)}.${s.digits(6)}] usb 1-${s.below(9)}: new high-speed USB device number ${s.below(99)} using xhci_hcd`,
  (s) =>
    `at com.example.${s.word()}.${s.word()}Service.handle(${s.word()}Service.java:${s.below(2000)}) ~[app-${s.below(9)}.${s.below(20)}.${s.below(30)}.jar!/:?]`,
  (s) =>
    `Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/1${s.digits(2)}.0.${s.below(9999)}.${s.below(200)} Safari/537.36`,
  (s) =>
    `pool ${s.word()}-${s.digits(8)}-${s.text('bcdfghjklmnpqrstvwxz2456789', 5)} tokens=${s.below(9e5)} max_tokens=4096 key=${s.word()}:${s.below(1e6)} auth=ok`,
  (s) =>
    `${s.time()} block blk_${s.digits(19)} of size ${s.below(7e7)} from /var/lib/${s.word()}/data/${s.digits(10)}.log`,
  (s) =>
    `order ${s.digits(10)} invoice INV-${s.digits(8)} sku ${s.text('ABCDEFGH', 3)}-${s.digits(5)} amount ${s.below(9000)}.${s.digits(2)} EUR version ${s.below(20)}.${s.below(9)}.${s.below(9)}.${s.below(9)}`,
  (s) =>
    `systemd[1]: Started session-${s.below(999)}.scope. getty@tty${s.below(9)}.service: Deactivated successfully. user@1000.service`,
  (s) =>
    `Invalid password for ${s.word()}, authentication failure; secret rotation complete, token expired: retry in ${s.below(60)} s`,
  (s) =>
    `GC pause ${s.below(99)}.${s.digits(3)}ms heap ${s.below(9e9)}->${s.below(9e9)} ${s.hex(8)} ${s.hex(8)} ${s.hex(8)} ${s.hex(8)} |${s.text('abcdef.:=', 16)}|`,
  (s) =>
    `std::${s.word()}::run lodash@4.17.${s.below(30)} node_modules/@types/node@${s.below(24)}.${s.below(9)}.${s.below(9)} 12:${s.below(60)}:59 fe::${s.word()} icon@2x.png`,
]

/** Ordinary log lines. */
export function cleanLines(count: number, seed: number): string[] {
  const s = new Sampler(seed)
  return Array.from({ length: count }, () => s.pick(clean)(s))
}

function luhnDigit(body: string): string {
  let sum = 0
  for (let i = body.length - 1, twice = true; i >= 0; i--, twice = !twice) {
    const d = Number(body[i]) * (twice ? 2 : 1)
    sum += d > 9 ? d - 9 : d
  }
  return String((10 - (sum % 10)) % 10)
}
function ibanOf(country: string, bban: string): string {
  const moved = `${bban}${country}00`.replace(/[A-Z]/g, (c) => String(c.charCodeAt(0) - 55))
  return `${country}${String(98n - (BigInt(moved) % 97n)).padStart(2, '0')}${bban}`
}
function bsn(s: Sampler): string {
  for (;;) {
    const n = s.digits(9)
    const sum = [...n].reduce((total, d, i) => total + Number(d) * (i === 8 ? -1 : 9 - i), 0)
    if (sum % 11 === 0 && n[0] !== '0') return n
  }
}
function nrn(s: Sampler): string {
  const n = `${s.below(4) + 6}${s.below(10)}0${1 + s.below(9)}1${s.below(10)}${s.digits(3)}`
  return `${n}${String(97n - (BigInt(n) % 97n)).padStart(2, '0')}`
}

const found: readonly [type: string, make: (s: Sampler) => string, contexts: readonly string[]][] = [
  [
    'email',
    (s) => `${s.word()}.${s.word()}${s.below(99)}@example.com`,
    ['user % logged in', 'to=<%>, relay=mx', '{"mail":"%"}'],
  ],
  [
    'ip',
    (s) => `${1 + s.below(9)}4.${s.below(256)}.${s.below(256)}.${s.below(256)}`,
    ['Connection from % port 22', 'client=% status=200', '% - - [10/Oct/2026]'],
  ],
  [
    'credit_card',
    (s) => {
      const n = `4${s.digits(14)}`
      return n + luhnDigit(n)
    },
    ['paid with %', 'card=% amount=3', '{"pan":"%"}'],
  ],
  ['iban', (s) => ibanOf('DE', s.digits(18)), ['transfer to % done', 'iban=%']],
  ['nl_bsn', bsn, ['bsn=%', 'burgerservicenummer: %', '{"citizenServiceNumber":"%"}']],
  ['be_nrn', nrn, ['rijksregisternummer %', 'numero_national=%', 'INSZ: %']],
  ['phone', (s) => `+3247${s.digits(7)}`, ['sms sent to %', 'msisdn=%']],
  ['mac', (s) => Array.from({ length: 6 }, () => s.hex(2)).join(':'), ['DHCPACK to % via eth0', 'hwaddr %']],
  ['secret', (s) => `ghp_${s.text('ABCDEFabcdef0123456789', 36)}`, ['cloning with %', 'token=%']],
  [
    'secret',
    (s) => s.text('ABCDEFabcdef0123456789!#', 14),
    ['password=%', '{"db_password":"%"}', 'export DB_PASSWD=%'],
  ],
]

/** Lines with one finding each. */
export function labelled(count: number, seed: number): Row[] {
  const s = new Sampler(seed)
  return Array.from({ length: count }, () => {
    const [type, make, contexts] = s.pick(found)
    const [before, after] = s.pick(contexts).split('%') as [string, string]
    const value = make(s)
    const text = `${s.time()} ${before}${value}${after}`
    const start = s.time().length + 1 + before.length
    return { text, spans: [{ start, end: start + value.length, type }] }
  })
}
