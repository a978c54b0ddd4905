// Charts that can be zoomed and tables that can be sorted. Without this script the page says the same.
(function () {
  "use strict";
  const charts = JSON.parse(document.getElementById("data").textContent);
  // Asked for once each time that all is drawn: an answer takes the style of the whole page.
  let inks = {};
  const colour = (name) => (inks[name] ??= getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  const formats = {
    money: (v) => v.toLocaleString("en", { maximumFractionDigits: 0 }).replace(/,/g, " "),
    percent: (v) => (v * 100).toFixed(1) + " %",
    ratio: (v) => v.toFixed(2),
    price: (v) => v.toPrecision(6).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, ""),
  };
  let shown = [];

  function times(c) {
    let at = 0;
    return c.at.map((d) => (c.first + c.step * (at += d)) / 1000);
  }

  function marks(c) {
    return (u) => {
      const ctx = u.ctx;
      ctx.save();
      ctx.beginPath();
      ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
      ctx.clip();
      if (c.tested) {
        const x = u.valToPos(c.tested / 1000, "x", true);
        ctx.strokeStyle = colour("--soft");
        ctx.setLineDash([4, 4]);
        ctx.beginPath();
        ctx.moveTo(x, u.bbox.top);
        ctx.lineTo(x, u.bbox.top + u.bbox.height);
        ctx.stroke();
        ctx.setLineDash([]);
      }
      const size = 3 * devicePixelRatio;
      for (const [ms, price, kind] of c.marks || []) {
        const x = u.valToPos(ms / 1000, "x", true), y = u.valToPos(price, "y", true);
        ctx.fillStyle = colour(kind === "exit" ? "--soft" : kind === "long" ? "--good" : "--bad");
        ctx.beginPath();
        if (kind === "exit") ctx.arc(x, y, size * 0.7, 0, 7);
        else {
          const up = kind === "long" ? -1 : 1;
          ctx.moveTo(x - size, y - up * size);
          ctx.lineTo(x + size, y - up * size);
          ctx.lineTo(x, y + up * size);
        }
        ctx.fill();
      }
      ctx.restore();
    };
  }

  function draw(c, place, width, log) {
    const ink = colour("--soft"), line = colour("--line");
    const lines = ["--accent", "--soft", "--good"].map(colour);
    const show = formats[c.kind];
    const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
    const u = new uPlot({
      width,
      height: 260,
      tzDate: (t) => uPlot.tzDate(new Date(t * 1e3), "Etc/UTC"),
      cursor: { sync: { key: "time" } },
      // Twenty-four hours and the order of dates that the rest of the page has.
      fmtDate: (t) => uPlot.fmtDate(t.replace("{h}{aa}", "{HH}:00").replace("{h}:{mm}{aa}", "{HH}:{mm}")
        .replace("{M}/{D}/{YY}", "{YYYY}-{MM}-{DD}").replace("{M}/{D}", "{MM}-{DD}")),
      scales: { y: { distr: log ? 3 : 1, range: log ? undefined : (_, a, b) =>
        a == null ? [0, 1] : a === b ? [a - 0.01, b + 0.01] : uPlot.rangeNum(a, b, 0.1, true) } },
      axes: [axis, { ...axis, size: 76, values: (_, vs) => vs.map((v) => (v == null ? "" : show(v))) }],
      series: [{ value: (_, t) => (t == null ? "--" : new Date(t * 1e3).toISOString().slice(0, 16).replace("T", " ")) }].concat(
        c.names.map((label, i) => ({
          label,
          stroke: c.class === "down" ? colour("--bad") : lines[i % 3],
          fill: c.class && i === 0 ? (c.class === "down" ? colour("--bad") : lines[0]) + "22" : undefined,
          width: i ? 1 : 1.5,
          value: (_, v) => (v == null ? "--" : show(v)),
        }))),
      hooks: { draw: [marks(c)] },
    }, [times(c)].concat(c.values), place);
    shown.push([u, place]);
  }

  // Charts that wait: those below what is seen are drawn one at a time, so that nobody waits for them.
  let waiting = [];

  function one() {
    const [c, place, width] = waiting.shift();
    draw(c, place, width || place.clientWidth, place.dataset.log === "1");
    if (!waiting.length) document.documentElement.dataset.drawn = String(shown.length);
  }

  function rest() {
    if (!waiting.length) return;
    one();
    setTimeout(rest);
  }

  function all() {
    shown.forEach(([u]) => u.destroy());
    shown = [];
    inks = {};
    delete document.documentElement.dataset.drawn;
    const places = charts.map((c) => [c, document.getElementById(c.id)]).filter(([, place]) => place);
    // All is measured before anything is drawn: a page that changes in between would be laid out again for each.
    places.forEach(([, place]) => place.classList.add("live"));
    const measured = places.map(([c, place]) => [c, place, place.clientWidth, place.getBoundingClientRect()]);
    const seen = measured.filter(([, , , r]) => r.top < innerHeight && r.bottom > 0);
    const others = measured.filter((m) => !seen.includes(m));
    waiting = seen.concat(others.map(([c, place]) => [c, place]));
    if (!waiting.length) document.documentElement.dataset.drawn = "0";
    seen.forEach(one);
    setTimeout(rest);
  }

  for (const c of charts.filter((c) => c.positive)) {
    const place = document.getElementById(c.id), button = document.createElement("button");
    button.type = "button";
    button.textContent = "logarithmic";
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      place.dataset.log = place.dataset.log === "1" ? "0" : "1";
      button.setAttribute("aria-pressed", place.dataset.log === "1" ? "true" : "false");
      all();
    });
    place.before(button);
  }

  function value(cell) {
    const text = cell.textContent.trim().replace("−", "-");
    const number = parseFloat(text.replace(/ /g, ""));
    return /^-?[\d. ]+( ?%)?$/.test(text) && !isNaN(number) ? number : text;
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0], head = table.tHead.rows[0];
    [...head.cells].forEach((th, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = th.textContent;
      th.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = th.getAttribute("aria-sort") === "ascending";
        [...head.cells].forEach((other) => other.removeAttribute("aria-sort"));
        th.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...body.rows].map((row) => [value(row.cells[column]), row]);
        rows.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0) * (down ? -1 : 1));
        body.append(...rows.map(([, row]) => row));
      });
    });
  }

  document.querySelectorAll(".hint").forEach((p) => (p.hidden = false));
  all();
  addEventListener("resize", () => shown.forEach(([u, place]) => {
    if (place.clientWidth && place.clientWidth !== u.width) u.setSize({ width: place.clientWidth, height: 260 });
  }));
  matchMedia("(prefers-color-scheme:dark)").addEventListener("change", all);
})();
