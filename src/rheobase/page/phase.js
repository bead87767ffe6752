// The phase plane: nullclines, the field, the path of the run, fixed points. With one state: dv/dt against v.

// Segments of the curve value = 0 on a grid, by marching squares; values[j][i] at (xs[i], ys[j]).
function zeroLines(values, xs, ys) {
  const out = [];
  const cut = (a, b, p, q) => p + (q - p) * (a / (a - b));
  for (let j = 0; j + 1 < ys.length; j++) {
    for (let i = 0; i + 1 < xs.length; i++) {
      const a = values[j][i], b = values[j][i + 1], c = values[j + 1][i + 1], d = values[j + 1][i];
      if (![a, b, c, d].every(Number.isFinite)) continue;
      const points = [];
      if (a > 0 !== b > 0) points.push([cut(a, b, xs[i], xs[i + 1]), ys[j]]);
      if (b > 0 !== c > 0) points.push([xs[i + 1], cut(b, c, ys[j], ys[j + 1])]);
      if (d > 0 !== c > 0) points.push([cut(d, c, xs[i], xs[i + 1]), ys[j + 1]]);
      if (a > 0 !== d > 0) points.push([xs[i], cut(a, d, ys[j], ys[j + 1])]);
      if (points.length === 2) out.push([points[0], points[1]]);
      if (points.length === 4) out.push([points[0], points[3]], [points[1], points[2]]);
    }
  }
  return out;
}

// Fixed points of the flow near the points of a grid, with whether they are stable.
function fixedPoints(program, env, starts) {
  const found = [];
  for (const start of starts) {
    let x = [...start];
    for (let turn = 0; turn < 40; turn++) {
      const f = program.drift(x, env, 0), move = [...f].every(Number.isFinite) ? solve(program.jacobian(x, env, 0), f) : null;
      if (move === null || !move.every(Number.isFinite)) break;
      x = x.map((value, i) => value - move[i]);
      if (move.every((m, i) => Math.abs(m) <= 1e-9 * (1 + Math.abs(x[i])))) {
        if (!found.some((p) => p.x.every((value, i) => Math.abs(value - x[i]) < 1e-5 * (1 + Math.abs(x[i]))))) {
          found.push({ x, stable: isStable(program.jacobian(x, env, 0)) });
        }
        break;
      }
    }
  }
  return found;
}

const $line = (n, low, high) => Array.from({ length: n }, (_, i) => low + ((high - low) * i) / (n - 1));

// What is drawn of one set: the range, nullclines without and with the current, fixed points.
function phaseOf(program, env, driven, box) {
  const [x0, x1, y0, y1] = box, xs = $line(140, x0, x1), out = { box, nullclines: [], points: [] };
  if (program.states.length === 1) {
    out.curve = [env, driven].map((e) => xs.map((x) => [x, program.drift([x], e, 0)[0]]));
    out.points = fixedPoints(program, driven, $line(25, x0, x1).map((x) => [x])).map((p) => ({ ...p, x: [p.x[0], 0] }));
    return out;
  }
  const ys = $line(110, y0, y1);
  for (const e of [env, driven]) {
    const field = ys.map((y) => xs.map((x) => program.drift([x, y], e, 0)));
    out.nullclines.push([0, 1].map((s) => zeroLines(field.map((row) => row.map((f) => f[s])), xs, ys)));
  }
  const starts = $line(7, x0, x1).flatMap((x) => $line(5, y0, y1).map((y) => [x, y]));
  out.points = fixedPoints(program, driven, starts);
  out.arrows = $line(17, x0, x1).slice(1, -1).flatMap((x) => $line(13, y0, y1).slice(1, -1).map((y) => [x, y, ...program.drift([x, y], driven, 0)]));
  return out;
}

function drawPhase(canvas, { phase, paths, threshold, names }) {
  const [context, w, h] = prepare(canvas);
  if (w < 60 || !phase) return;
  const c = colours(), left = GUTTER * rem(), right = w - 0.7 * rem(), top = 0.5 * rem(), bottom = h - 2.9 * rem();
  const [x0, x1, y0, y1] = phase.box;
  const px = (x) => left + ((x - x0) / (x1 - x0)) * (right - left), py = (y) => bottom - ((y - y0) / (y1 - y0)) * (bottom - top);
  $frame(context, { left, right, top, bottom, px, py, box: phase.box, names });
  context.save();
  context.beginPath();
  context.rect(left, top, right - left, bottom - top);
  context.clip();
  const line = (points, colour, width = 1.5, dash = []) => {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.setLineDash(dash);
    context.beginPath();
    for (const [i, [x, y]] of points.entries()) i ? context.lineTo(px(x), py(y)) : context.moveTo(px(x), py(y));
    context.stroke();
    context.setLineDash([]);
  };
  if (phase.arrows) $arrows(context, phase.arrows, px, py, c.line, right - left);
  if (threshold !== null) line([[threshold, y0], [threshold, y1]], c.soft, 1, [2, 3]);
  if (phase.curve) {
    line([[x0, 0], [x1, 0]], c.soft, 1);
    line(phase.curve[0], c.soft, 1.3, [5, 4]);
    line(phase.curve[1], c.d, 2);
  }
  phase.nullclines.forEach((pair, driven) => {
    pair.forEach((segments, s) => {
      if (!driven && s === 1) return; // the current moves the first one only, or both are the same
      context.strokeStyle = s ? c.c : c.d;
      context.globalAlpha = driven ? 1 : 0.5;
      context.lineWidth = driven ? 2 : 1.3;
      context.setLineDash(driven ? [] : [5, 4]);
      context.beginPath();
      for (const [p, q] of segments) {
        context.moveTo(px(p[0]), py(p[1]));
        context.lineTo(px(q[0]), py(q[1]));
      }
      context.stroke();
      context.setLineDash([]);
      context.globalAlpha = 1;
    });
  });
  for (const { points, jumps, colour } of paths) {
    const paint = c[colour];
    context.strokeStyle = paint;
    context.lineWidth = 1.4;
    context.beginPath();
    points.forEach(([x, y], i) => (i && !jumps.has(i) ? context.lineTo(px(x), py(y)) : context.moveTo(px(x), py(y))));
    context.stroke();
    context.setLineDash([1.5, 3]);
    context.globalAlpha = 0.45;
    context.beginPath();
    for (const i of jumps) {
      if (!i || !points[i]) continue;
      context.moveTo(px(points[i - 1][0]), py(points[i - 1][1]));
      context.lineTo(px(points[i][0]), py(points[i][1]));
    }
    context.stroke();
    context.setLineDash([]);
    context.globalAlpha = 1;
  }
  for (const { x, stable } of phase.points) {
    context.beginPath();
    context.arc(px(x[0]), py(x[1]), 0.3 * rem(), 0, 7);
    context.fillStyle = stable ? c.ink : c.card;
    context.fill();
    context.strokeStyle = c.ink;
    context.lineWidth = 1.6;
    context.stroke();
  }
  context.restore();
}

function $frame(context, { left, right, top, bottom, px, py, box, names }) {
  const c = colours(), [x0, x1, y0, y1] = box;
  context.font = font(0.74);
  context.strokeStyle = c.line;
  context.fillStyle = c.soft;
  context.lineWidth = 1;
  context.beginPath();
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const y of ticks(y0, y1, Math.max(2, (bottom - top) / (2.2 * rem())))) {
    context.moveTo(left, py(y));
    context.lineTo(right, py(y));
    context.fillText(short(y), left - 0.4 * rem(), py(y));
  }
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const x of ticks(x0, x1, Math.max(2, (right - left) / (4 * rem())))) {
    context.moveTo(px(x), bottom);
    context.lineTo(px(x), bottom + 4);
    context.fillText(short(x), px(x), bottom + 0.4 * rem());
  }
  context.stroke();
  context.fillText(names[0], (left + right) / 2, bottom + 1.55 * rem());
}

function $arrows(context, arrows, px, py, colour, width) {
  context.strokeStyle = colour;
  context.lineWidth = 1.2;
  context.beginPath();
  for (const [x, y, fx, fy] of arrows) {
    const dx = px(x + fx) - px(x), dy = py(y + fy) - py(y), length = Math.hypot(dx, dy);
    if (!(length > 0) || !Number.isFinite(length)) continue;
    const size = width / 42, ux = dx / length, uy = dy / length, tx = px(x) + ux * size, ty = py(y) + uy * size;
    context.moveTo(px(x), py(y));
    context.lineTo(tx, ty);
    context.moveTo(tx - 3.5 * (ux + uy * 0.6), ty - 3.5 * (uy - ux * 0.6));
    context.lineTo(tx, ty);
    context.lineTo(tx - 3.5 * (ux - uy * 0.6), ty - 3.5 * (uy + ux * 0.6));
  }
  context.stroke();
}
