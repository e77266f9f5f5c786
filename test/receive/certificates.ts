/**
 * X.509 certificates made on the spot (RFC 5280, in DER): no keys in the repository, none that expire.
 */
import { createSign, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'

export interface Certificate {
  cert: string
  key: string
}
export interface Issuer {
  subject: string
  privateKey: KeyObject
}

const tlv = (tag: number, ...content: Buffer[]): Buffer => {
  const value = Buffer.concat(content)
  if (value.length < 0x80) return Buffer.concat([Buffer.from([tag, value.length]), value])
  const length = Buffer.from([0x82, value.length >> 8, value.length & 0xff])
  return Buffer.concat([Buffer.from([tag]), length, value])
}
const sequence = (...content: Buffer[]): Buffer => tlv(0x30, ...content)
const oid = (hex: string): Buffer => tlv(0x06, Buffer.from(hex, 'hex'))
const text = (value: string): Buffer => tlv(0x0c, Buffer.from(value))
const time = (date: Date): Buffer => tlv(0x18, Buffer.from(`${date.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`))

const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'))
const names: Record<string, string> = { CN: '550403', O: '55040a' }

/** `CN=worker,O=acme` */
function name(subject: string): Buffer {
  const parts = subject.split(',').map((part) => part.split('=') as [string, string])
  return sequence(...parts.map(([type, value]) => tlv(0x31, sequence(oid(names[type]!), text(value)))))
}

const sanTags: Record<string, number> = { DNS: 0x82, URI: 0x86 }
function altName(san: string): Buffer {
  const colon = san.indexOf(':')
  if (san.startsWith('IP:')) return tlv(0x87, Buffer.from(san.slice(3).split('.').map(Number)))
  return tlv(sanTags[san.slice(0, colon)]!, Buffer.from(san.slice(colon + 1)))
}

/** A certificate; without an issuer it signs itself and is an authority. */
export function certificate(subject: string, san: string[] = [], issuer?: Issuer): Certificate & { as: Issuer } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const extension = (id: string, critical: boolean, value: Buffer): Buffer =>
    sequence(oid(id), ...(critical ? [tlv(0x01, Buffer.from([0xff]))] : []), tlv(0x04, value))
  const extensions = [
    ...(issuer ? [] : [extension('551d13', true, sequence(tlv(0x01, Buffer.from([0xff]))))]),
    ...(san.length > 0 ? [extension('551d11', false, sequence(...san.map(altName)))] : []),
  ]
  const now = Date.now()
  const signed = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ecdsaWithSha256,
    name(issuer?.subject ?? subject),
    sequence(time(new Date(now - 3_600_000)), time(new Date(now + 3_600_000))),
    name(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    ...(extensions.length > 0 ? [tlv(0xa3, sequence(...extensions))] : []),
  )
  const signature = createSign('sha256')
    .update(signed)
    .sign(issuer?.privateKey ?? privateKey)
  const der = sequence(signed, ecdsaWithSha256, tlv(0x03, Buffer.from([0]), signature))
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${der.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    as: { subject, privateKey },
  }
}
