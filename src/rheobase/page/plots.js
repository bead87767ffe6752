// Curves over time and other curves, on uPlot.

const GUTTER = 3.6; // rem: the same left of every plot, so that stacked plots share their time axis

function $axes(xLabel) {
  const c = colours(), line = { stroke: c.line, width: 1 };
  const common = { font: font(0.74), stroke: c.soft, ticks: { ...line, size: 4 } };
  return [
    { ...common, grid: { show: false }, gap: 3, size: xLabel === null ? 6 : rem() * 1.5, values: (_, at) => (xLabel === null ? [] : at.map((x) => short(x))), space: rem() * 4, label: xLabel ?? undefined, labelSize: rem() * 1.15, labelGap: 0, labelFont: font(0.74) },
    { ...common, grid: line, size: rem() * GUTTER, gap: 3, space: rem() * 2, values: (_, ticks) => ticks.map((x) => short(x)) },
  ];
}

// A plot in a card: `head` (elements), series [{label, stroke, width, dash, points, show}], height in rem.
//   set(data, {x, y})   draws; x and y are [low, high] or null for what the data need
//   marks               (context, u) => drawn on top, in canvas pixels
class Plot {
  constructor(host, { series, height = 9, xLabel = "time (ms)", sync = null, marks = null, readout = null, label = "plot", yRange = null, stepped = false }) {
    Object.assign(this, { host, spec: series, height, xLabel, sync, marks, readout, yRange, stepped });
    host.classList.add("plot");
    host.setAttribute("role", "img");
    host.setAttribute("aria-label", label);
    this.data = [[0, 1], ...series.map(() => [null, null])];
    this.ranges = { x: null, y: null };
    this.build();
    new ResizeObserver(() => this.resize()).observe(host);
    document.addEventListener("look", () => this.build());
  }

  build() {
    this.u?.destroy();
    const c = colours(), plot = this;
    const paint = (name) => c[name] ?? name;
    this.u = new uPlot(
      {
        width: Math.max(this.host.clientWidth, 60),
        height: this.height * rem(),
        padding: [rem() * 0.5, rem() * 1.1, 0, 0],
        legend: { show: false },
        focus: { alpha: 1 },
        cursor: {
          sync: this.sync ? { key: this.sync, scales: ["x", null] } : undefined,
          y: false,
          drag: { x: false, y: false },
          points: { size: rem() * 0.45 },
        },
        scales: {
          x: { time: false, range: (_, low, high) => plot.ranges.x ?? [low, high] },
          y: { range: (_, low, high) => plot.ranges.y ?? plot.yRange ?? padded(low, high) },
        },
        axes: $axes(this.xLabel),
        series: [
          {},
          ...this.spec.map((s) => ({
            label: s.label,
            stroke: paint(s.stroke),
            width: s.width ?? 1.6,
            dash: s.dash,
            show: s.show ?? true,
            fill: s.fill ? paint(s.fill) : undefined,
            points: { show: s.points ?? false, size: rem() * 0.35 },
            paths: s.stepped ? uPlot.paths.stepped({ align: 1 }) : undefined,
          })),
        ],
        hooks: {
          draw: [(u) => plot.marks?.(u.ctx, u)],
          setCursor: [(u) => plot.readout?.(u.cursor.idx, u)],
        },
      },
      this.data,
      this.host,
    );
  }

  set(data, ranges = {}) {
    this.data = data;
    this.ranges = { x: ranges.x ?? null, y: ranges.y ?? null };
    this.u.setData(data);
  }

  resize() {
    const width = this.host.clientWidth;
    if (width > 0 && (Math.abs(width - this.u.width) > 0.5 || Math.abs(this.u.height - this.height * rem()) > 0.5)) {
      this.u.setSize({ width, height: this.height * rem() });
    }
  }

  show(index, visible) {
    this.spec[index].show = visible;
    this.u.setSeries(index + 1, { show: visible });
  }
}

function padded(low, high) {
  if (low === null || high === null || !Number.isFinite(low) || !Number.isFinite(high)) return [0, 1];
  const pad = (high - low || Math.abs(high) || 1) * 0.07;
  return [low - pad, high + pad];
}

// Upright marks at spike times, in a strip at the top of a plot; rows: [[times, colour], ...].
function drawSpikes(context, u, rows) {
  const { left, top, width } = u.bbox, size = 0.5 * rem() * devicePixelRatio, c = colours();
  context.save();
  context.lineWidth = Math.max(1, 1.3 * devicePixelRatio);
  context.beginPath();
  context.rect(left, 0, width, u.ctx.canvas.height);
  context.clip();
  rows.forEach(([times, colour], row) => {
    context.strokeStyle = c[colour] ?? colour;
    context.beginPath();
    const y = top + row * size * 1.25 + 1;
    for (const t of times) {
      const x = Math.round(u.valToPos(t, "x", true));
      context.moveTo(x, y);
      context.lineTo(x, y + size);
    }
    context.stroke();
  });
  context.restore();
}

// Dots of a raster: run spikes as [time, neuron] pairs, times in ms.
function drawRaster(canvas, { times, neurons, n, from, until, colour, xLabel = "time (ms)", yLabel = "", bands = [] }) {
  const [context, w, h] = prepare(canvas);
  if (w < 30) return;
  const c = colours(), left = GUTTER * rem(), bottom = 1.7 * rem(), top = 0.4 * rem(), right = 0.7 * rem();
  const x = (t) => left + ((t - from) / (until - from)) * (w - left - right), y = (i) => top + ((i + 0.5) / n) * (h - top - bottom);
  for (const [first, last, tint, text] of bands) {
    context.fillStyle = tint;
    context.fillRect(left, y(first - 0.5), w - left - right, y(last - 0.5) - y(first - 0.5));
    if (text) {
      context.fillStyle = c.soft;
      context.font = font(0.74);
      context.textAlign = "right";
      context.textBaseline = "middle";
      context.fillText(text, left - 0.4 * rem(), y((first + last) / 2 - 0.5));
    }
  }
  const size = Math.max(1.2, Math.min(0.2 * rem(), ((h - top - bottom) / n) * 0.8)), tall = Math.max(size, Math.min(0.5 * rem(), ((h - top - bottom) / n) * 0.75));
  for (let i = 0; i < times.length; i++) {
    if (times[i] < from || times[i] > until) continue;
    context.fillStyle = typeof colour === "function" ? colour(neurons[i]) : colour;
    context.fillRect(x(times[i]) - size / 2, y(neurons[i]) - tall / 2, size, tall);
  }
  timeAxis(context, { left, right: w - right, at: h - bottom, from, until, label: xLabel });
  if (yLabel) {
    context.font = font(0.74);
    context.fillStyle = c.soft;
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.fillText(yLabel, left - 0.4 * rem(), top + (h - top - bottom) / 2);
  }
}

const niceStep = (span, wanted) => {
  const raw = span / wanted, power = 10 ** Math.floor(Math.log10(raw)), f = raw / power;
  return (f <= 1 ? 1 : f <= 2 ? 2 : f <= 5 ? 5 : 10) * power;
};

function ticks(from, until, wanted) {
  const step = niceStep(until - from || 1, wanted), out = [];
  for (let i = Math.ceil(from / step - 1e-9); i * step <= until + step * 1e-9; i++) out.push(Number((i * step).toPrecision(12)));
  return out;
}

function timeAxis(context, { left, right, at, from, until, label }) {
  const c = colours();
  context.strokeStyle = c.line;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(left, at + 0.5);
  context.lineTo(right, at + 0.5);
  context.stroke();
  context.font = font(0.74);
  context.fillStyle = c.soft;
  context.textBaseline = "top";
  context.textAlign = "center";
  const wanted = Math.max(2, Math.floor((right - left) / (4.5 * rem())));
  for (const t of ticks(from, until, wanted)) {
    const x = left + ((t - from) / (until - from)) * (right - left);
    if (label && x > right - 4.6 * rem()) continue;
    context.fillText(short(t), x, at + 0.3 * rem());
  }
  if (label) {
    context.textAlign = "right";
    context.fillText(label, right, at + 0.3 * rem());
  }
}
