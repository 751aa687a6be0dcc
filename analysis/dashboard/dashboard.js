/* The page: a legend that hides runs, the running mean, and the charts of every section. */

(() => {
  const { runs, sections } = embeddedData();
  const form = document.getElementById("controls");
  const figures = [];

  function legendEntry(run, number) {
    const swatch = drawn("svg", { class: "run", viewBox: "0 0 30 10", "aria-hidden": "true" },
      drawn("line", { class: "line", x1: 0, x2: 30, y1: 5, y2: 5, "stroke-dasharray": run.dash }));
    swatch.style.setProperty("--colour", run.colour);
    const box = element("input", { type: "checkbox", name: "run", value: number });
    box.checked = true;
    return element("label", {}, box, swatch, `${run.name} (${run.seeds} ${run.seeds > 1 ? "seeds" : "seed"})`);
  }

  function chartFigure(chart) {
    const figure = element(
      "figure",
      { class: "chart" },
      element("figcaption", {}, element("b", {}, chart.title), chart.unit ? ` (${chart.unit})` : "",
        element("span", {}, chart.about, " ", element("code", {}, chart.metric))),
      drawn("svg", { viewBox: `0 0 ${SIZE.width} ${SIZE.height}`, role: "img" }),
      element("output", {}),
    );
    figures.push([figure, chart]);
    return figure;
  }

  function update() {
    const boxes = [...form.querySelectorAll("[name=run]")];
    const shown = new Set(boxes.filter((box) => box.checked).map((box) => Number(box.value)));
    const window = Number(form.elements.window.value);
    for (const [figure, chart] of figures) redraw(figure, chart, runs, shown, window);
  }

  document.getElementById("legend").append(...runs.map(legendEntry));
  for (const place of document.querySelectorAll(".charts")) {
    place.append(...sections[Number(place.dataset.section)].map(chartFigure));
  }
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  update();
})();
