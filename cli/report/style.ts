/** The report's style sheet: light and dark by the reader's setting, readable on paper and on a phone. */
export const style = `
:root {
  color-scheme: light dark;
  --ground: #ffffff; --panel: #f6f7f8; --ink: #1c1e21; --faint: #5c636b; --line: #d9dde1; --good: #00704f; --bad: #b3400a;
  --series-0: #0072b2; --series-1: #d55e00; --series-2: #008a64; --series-3: #b5508a; --series-4: #b87f00; --series-5: #3a93c9; --series-6: #6b6b6b; --series-7: #8c510a;
  --plot-background: var(--ground);
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #15181b; --panel: #1e2226; --ink: #e9ebed; --faint: #a3abb3; --line: #383e44; --good: #4fc99d; --bad: #f2905c;
    --series-0: #5cb3ea; --series-1: #f28a4b; --series-2: #3ecb9b; --series-3: #e08fbe; --series-4: #e8b640; --series-5: #9cd2f5; --series-6: #b0b0b0; --series-7: #d9a066;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main, header, footer { max-width: 82rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
p { margin: .25rem 0 .75rem; max-width: 56rem; }
.faint, figcaption, footer { color: var(--faint); }
.lead { font-size: 1.1rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(12rem, 1fr)); gap: .75rem; margin: 1rem 0; padding: 0; list-style: none; }
.tiles li { background: var(--panel); border-radius: .5rem; padding: .75rem 1rem; }
.tiles strong { display: block; font-size: 1.5rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; }
table { border-collapse: collapse; width: 100%; font-size: .84rem; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .5rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--ground); }
thead th { font-weight: 600; background: var(--panel); vertical-align: bottom; }
thead tr:first-child th:first-child { background: var(--panel); }
thead .group { text-align: center; border-left: 1px solid var(--line); }
thead tr + tr th:first-child { text-align: right; position: static; background: var(--panel); }
tbody tr:last-child > * { border-bottom: 0; }
tbody th { font-weight: 500; }
td.text, th.text { text-align: left; white-space: normal; min-width: 12rem; }
.good { color: var(--good); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(30rem, 100%), 1fr)); gap: 1.25rem; }
figure { margin: 0; border: 1px solid var(--line); border-radius: .5rem; padding: .9rem 1rem; overflow-x: auto; }
figure svg { max-width: 100%; height: auto; }
figure > svg { display: block; }
figure h3 { margin-top: 0; }
figcaption { font-size: .875rem; margin-top: .4rem; }
.legend { display: flex; flex-wrap: wrap; gap: .15rem 1rem; padding: 0; margin: .25rem 0; list-style: none; font-size: .875rem; }
.legend li { display: flex; align-items: center; gap: .35rem; }
.legend svg { flex: none; }
details { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .9rem; margin: .5rem 0; }
summary { cursor: pointer; font-weight: 600; }
dl { display: grid; grid-template-columns: minmax(9rem, max-content) 1fr; gap: .2rem 1rem; margin: .6rem 0; font-size: .9rem; }
dt { color: var(--faint); }
dd { margin: 0; overflow-wrap: anywhere; }
pre { overflow-x: auto; background: var(--panel); border-radius: .5rem; padding: .75rem 1rem; font-size: .8125rem; }
footer { padding-top: 2rem; padding-bottom: 3rem; font-size: .875rem; }
@media print { figure, details, .scroll { break-inside: avoid; } }
`;
