// The curves of several `sparseland prune --finetune` side by side: an SVG, and a table in Markdown on standard output.
//
//   node scripts/finetuning-figure.mjs docs/figures/resnet20-finetuning.svg "90 % sparse=out90" "half of the channels=half"
//
// Run `npm run build` first: it draws with the plots of the command line.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { figureFile } from "../dist/cli/report/plots.js";

const [file, ...named] = process.argv.slice(2);
if (!file?.endsWith(".svg") || named.length === 0) {
  process.stderr.write('usage: node scripts/finetuning-figure.mjs <file.svg> "<name>=<output folder of prune>"...\n');
  process.exit(2);
}
const runs = named.map((text) => {
  const at = text.lastIndexOf("=");
  return { name: text.slice(0, at), report: JSON.parse(readFileSync(join(text.slice(at + 1), "report.json"), "utf8")) };
});
const percent = (x) => (100 * x).toFixed(1);
/** Accuracy before the first epoch: the last stage before the fine-tuning. */
const repaired = ({ stages }) => stages.at(-2).accuracy;
const epochs = Math.max(...runs.map(({ report }) => report.curve.length));
writeFileSync(
  file,
  figureFile({
    title: "Fine-tuning on CIFAR-10, test accuracy",
    x: { label: "share of the fine-tuning, %" },
    y: { label: "accuracy, %" },
    series: runs.map(({ name, report }) => ({
      name,
      points: [
        { x: 0, y: 100 * repaired(report) },
        ...report.curve.map(({ epoch, testAccuracy }) => ({ x: (100 * epoch) / report.curve.length, y: 100 * testAccuracy })),
      ],
    })),
  }),
);
const header = ["network", "ms per picture", "as pruned", ...Array.from({ length: epochs }, (_, i) => `epoch ${i + 1}`)];
const rows = runs.map(({ name, report }) => [
  name,
  report.time.prunedMs.toFixed(3),
  percent(repaired(report)),
  ...Array.from({ length: epochs }, (_, i) => (report.curve[i] ? percent(report.curve[i].testAccuracy) : "")),
]);
for (const row of [header, header.map(() => "---"), ...rows]) process.stdout.write(`| ${row.join(" | ")} |\n`);
