/** What stands beside a value: keys glued and in camelCase, its own key, what it counts; and lines that hold nothing. */
import { describe, expect, test } from 'vitest'
import { detect } from '../../../processors/minimize/detect/index.ts'

const found = (text: string): string[] => detect(text).map((f) => `${f.type}[${text.slice(f.start, f.end)}]`)

const mrz = 'P<NLDJANSEN<<PIET'.padEnd(44, '<')

describe('keys that were glued together or written in camelCase', () => {
  test.each([
    ['citizenservicenumber=123456782', 'nl_bsn[123456782]'],
    ['req.peselnumber=44051401359', 'pl_pesel[44051401359]'],
    ['organisationsNummer 556016-0680', 'se_orgnr[556016-0680]'],
    ['{numerofiscal: "0701987765493"}', 'fr_tax_id[0701987765493]'],
    ['AHVN13 756.9217.0769.85', 'ch_ahv[756.9217.0769.85]'],
    ['registrationPlate: 12-ABC-3', 'vehicle_plate[12-ABC-3]'],
    ['deutscher Reisepass = C01X00T47', 'de_passport[C01X00T47]'],
    ['Australian Company Number 004 085 616', 'au_acn[004 085 616]'],
    ['mobile=+32(0)470-123456', 'phone[+32(0)470-123456]'],
    [`<mrz>${mrz}</mrz>`, `mrz[${mrz}]`],
  ])('%s', (text, expected) => expect(found(text)).toEqual([expected]))
})

describe('odd writing', () => {
  test.each([
    ['card 4111·1111·1111·1111', 'credit_card[4111·1111·1111·1111]'],
    ['card 4111–1111–1111–1111', 'credit_card[4111–1111–1111–1111]'],
    ['card 4111\u00a01111\u20091111\u202f1111', 'credit_card[4111\u00a01111\u20091111\u202f1111]'],
    ['bsn ١٢٣٤٥٦٧٨٢', 'nl_bsn[١٢٣٤٥٦٧٨٢]'],
    ['BSN 123.456.782', 'nl_bsn[123.456.782]'],
    ['j\u0430ne@example.com', 'email[j\u0430ne@example.com]'],
    ['jane＠example．com', 'email[jane＠example．com]'],
    ['ja\u200bne@exam\u200bple.com', 'email[ja\u200bne@exam\u200bple.com]'],
    ['p\u0430ssw\u043erd=hunter22', 'secret[hunter22]'],
    ['𝐩𝐚𝐬𝐬𝐰𝐨𝐫𝐝=hunter22', 'secret[hunter22]'],
    ['CONTRASEÑA=Clave2020', 'secret[Clave2020]'],
    ['gh\u200bp_wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx', 'secret[gh\u200bp_wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx]'],
    ['192․168․7․9', 'ip[192․168․7․9]'],
  ])('%s', (text, expected) => expect(found(text)).toEqual([expected]))
  test.each([
    'order 4111_1111_1111_1111',
    'values 4111,1111,1111,1111',
    'jane[at]example[dot]com',
    'личный номер 123456782',
  ])('decided against: %s', (text) => expect(found(text)).toEqual([]))
})

describe('a value belongs to its own key', () => {
  test.each([
    ['PhoneStatusBar: setVisibility vis=40000500 mask=7'],
    ['bsn check failed retries=123456782'],
    ['{"phone_type":"mobile","bytes_sent":40000500}'],
    ['reached card 4 of host, 163539 bytes sent'],
    ['phone sync took 40000500 ns'],
  ])('%s', (text) => expect(found(text)).toEqual([]))
  test.each([
    ['field=bsn value=123456782', 'nl_bsn[123456782]'],
    ['cpf do cliente=52998224725', 'br_cpf[52998224725]'],
    ['{"kind":"bsn","value":"123456782"}', 'nl_bsn[123456782]'],
    ['date of birth = 1985-03-12', 'birth_date[1985-03-12]'],
  ])('%s', (text, expected) => expect(found(text)).toEqual([expected]))
})

test.each([
  'R00-M0-N0-C:J12-U11 2005-06-11-22.07.55.838589 RAS KERNEL INFO',
  '081111 034726 19054 INFO dfs.DataNode$PacketResponder: terminating',
  'auth failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=211-76-104-65.example.net',
  'wtoken = AppWindowToken{9f4ef63 token=Token{a64f992 ActivityRecord{de9231d u0 com.example}}}',
  'bad activity token: os.BinderProxy@2bd79ce',
  'established sessionid = 0x14f05578bd80006, timeout 10000',
  'listening on :[akka.tcp://sparkExecutorActorSystem@worker-07:55904]',
  'dl-debug.example.com:443 close, 163539 bytes (159 KB) sent',
  'RequestId: be346393-a0c6-4289-bc83-371347310cc7 Duration: 7 ms',
  'flight D49798 seat 86I pnr RSSZP5 gate H49 bag 6208121407',
  'columns 527730593 34674348835 2152031450786181 1030396129361',
  'at com.example.Zoepwd.find(Zoepwd.java:132)',
  'exit rc=7, sin(x)=0.707106781, FIN 1234567 ACK 7654321',
])('no finding: %s', (line) => expect(found(line)).toEqual([]))
