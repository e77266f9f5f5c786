/**
 * Draws a residency map: a table for the terminal, Mermaid, SVG, HTML. Each stands alone: no script, font or style is
 * fetched from anywhere. Names come from configuration and are escaped for where they stand.
 */
import Table from 'cli-table3'
import { edgesOf, type MapCell, type ResidencyMap } from './map.ts'

const plain = { head: [], border: [] }
/** Ends that are no regions. A region of the same name would be told apart by its place. */
const ends = ['quarantine', 'reject'] as const

export function mapTable(map: ResidencyMap): string {
  const table = new Table({ head: ['tenant', 'residency', ...map.purposes], style: plain })
  for (const { who, residency, cells } of map.rows) table.push([who, residency, ...cells.map(cellText)])
  const regions = new Table({ head: ['region', 'jurisdictions', 'pipeline', 'exporters'], style: plain })
  for (const { name, jurisdictions, central, pipeline, exporters } of map.regions) {
    regions.push([central ? `${name} (central)` : name, jurisdictions.join(', '), pipeline, exporters.join(', ')])
  }
  return `policy ${map.policy_version}\n${table}\n${regions}`
}

function cellText({ outcome, to, retention }: MapCell): string {
  if (outcome !== 'goes') return outcome
  return [
    ...to.map(({ region, form, failover }) => `${failover ? 'else ' : ''}${region}: ${form}`),
    `kept ${retention}`,
  ].join('\n')
}

export function mapMermaid(map: ResidencyMap): string {
  const text = (value: string): string =>
    `"${value.replace(/[^\p{L}\p{N} .,:;/_()*-]/gu, (char) => `#${char.codePointAt(0)};`)}"`
  const lines = ['flowchart LR']
  for (const [i, { who, residency }] of map.rows.entries()) lines.push(`  t${i}[${text(`${who}: ${residency}`)}]`)
  for (const [i, { name, jurisdictions, exporters }] of map.regions.entries()) {
    lines.push(`  subgraph r${i}[${text(`${name} (${jurisdictions.join(', ')})`)}]`)
    for (const [j, exporter] of exporters.entries()) lines.push(`    r${i}e${j}[(${text(exporter)})]`)
    lines.push('  end')
  }
  const edges = edgesOf(map)
  for (const end of ends) if (edges.some(({ to, form }) => to === end && form === '')) lines.push(`  ${end}{{${end}}}`)
  for (const { row, to, form, purposes } of edges) {
    const target = form === '' ? to : `r${map.regions.findIndex(({ name }) => name === to)}`
    lines.push(
      `  t${row} -->|${text(form === '' ? purposes.join(', ') : `${purposes.join(', ')}: ${form}`)}| ${target}`,
    )
  }
  return lines.join('\n')
}

const escaped = (value: string): string =>
  value.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`).replace(/[\p{Cc}\p{Cs}]/gu, '\u{fffd}')

const [boxWidth, boxHeight, gap, columnWidth] = [250, 46, 34, 640]

export function mapSvg(map: ResidencyMap): string {
  const edges = edgesOf(map)
  const used = ends.filter((end) => edges.some(({ to, form }) => to === end && form === ''))
  const places = [
    ...map.regions.map(({ name, jurisdictions, exporters, central }) => ({
      key: `${name}\n`,
      title: `${name}${central ? ' (central)' : ''}: ${jurisdictions.join(', ')}`,
      below: exporters.join(', '),
    })),
    ...used.map((end) => ({
      key: end,
      title: end,
      below: end === 'reject' ? 'the sender is told' : 'kept on the gateway',
    })),
  ]
  // Each line leaves its box and arrives at its own height, so that labels do not cover each other.
  const heights = map.rows.map((_, row) => Math.max(boxHeight, edges.filter((edge) => edge.row === row).length * 22))
  const tops: number[] = []
  let height = 20
  for (const rowHeight of heights) {
    tops.push(height)
    height += rowHeight + gap
  }
  const total = Math.max(height, places.length * (boxHeight + gap) + 20)
  const placeTop = (i: number): number => 20 + i * ((total - 40) / places.length)
  const parts: string[] = []
  const seen = new Map<number, number>()
  for (const { row, to, form, purposes } of edges) {
    const at = places.findIndex(({ key }) => key === (form === '' ? to : `${to}\n`))
    const index = seen.get(row) ?? 0
    seen.set(row, index + 1)
    const y1 = tops[row]! + 14 + index * 22
    const y2 = placeTop(at) + boxHeight / 2
    const label = form === '' ? purposes.join(', ') : `${purposes.join(', ')}: ${form}`
    parts.push(
      `<path d="M${boxWidth + 10} ${y1} C${boxWidth + 260} ${y1} ${columnWidth - 120} ${y2} ${columnWidth} ${y2}" class="${form.startsWith('in the clear') ? 'clear' : form === '' ? 'end' : 'line'}"/>`,
      `<text x="${boxWidth + 16}" y="${y1 - 4}" class="label">${escaped(label)}</text>`,
    )
  }
  map.rows.forEach(({ who, residency }, row) => {
    parts.push(box(10, tops[row]!, heights[row]!, who, residency))
  })
  places.forEach(({ title, below }, i) => {
    parts.push(box(columnWidth, placeTop(i), boxHeight, title, below))
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${columnWidth + boxWidth + 10} ${Math.ceil(total)}" role="img" aria-label="residency map">
<style>text{font:13px system-ui,sans-serif;fill:#1b1f24}.label{font-size:11px;fill:#444c56}.below{font-size:11px;fill:#57606a}rect{fill:#f6f8fa;stroke:#8c959f}path{fill:none;stroke:#57606a}.clear{stroke:#bc4c00;stroke-width:2}.end{stroke-dasharray:4 3}</style>
${parts.join('\n')}
</svg>`
}

function box(x: number, y: number, height: number, title: string, below: string): string {
  const cut = (text: string): string => (text.length > 38 ? `${text.slice(0, 37)}…` : text)
  return [
    `<g><title>${escaped(`${title}\n${below}`)}</title><rect x="${x}" y="${y}" width="${boxWidth}" height="${height}" rx="5"/>`,
    `<text x="${x + 10}" y="${y + 19}">${escaped(cut(title))}</text>`,
    `<text x="${x + 10}" y="${y + 36}" class="below">${escaped(cut(below))}</text></g>`,
  ].join('')
}

export function mapHtml(map: ResidencyMap): string {
  const row = (cells: readonly string[], tag = 'td'): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escaped(cell).replaceAll('\n', '<br>')}</${tag}>`).join('')}</tr>`
  const lines = map.rows.map(({ who, residency, cells }) => row([who, residency, ...cells.map(cellText)]))
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Residency map</title>
<meta http-equiv="content-security-policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>body{font:14px system-ui,sans-serif;margin:2rem;color:#1b1f24}table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #d0d7de;padding:.4rem .6rem;text-align:left;vertical-align:top}svg{max-width:100%;height:auto}</style>
</head><body>
<h1>Residency map</h1>
<p>Policy ${escaped(map.policy_version)}.</p>
<table>${row(['tenant', 'residency', ...map.purposes], 'th')}${lines.join('')}</table>
${mapSvg(map)}
</body></html>`
}
