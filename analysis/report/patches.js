/* Patch heat map: a grid over the first picture, coloured by what blackening each cell costs the selected token. */

function strongest(effects) {
  return effects.reduce((best, effect, place) => (Math.abs(effect) > Math.abs(effects[best]) ? place : best), 0);
}

function cellName(place, columns) {
  return `row ${Math.floor(place / columns) + 1}, column ${(place % columns) + 1}`;
}

function patchGrid({ rows, columns, effects }, token) {
  const cells = effects[token].map((effect, place) =>
    element("button", {
      type: "button",
      "data-step": colourStep(effect, data.patch_edges, true),
      "data-cell": place,
      "aria-label": `${cellName(place, columns)}: ${signed(effect)} nats`,
    }),
  );
  const grid = element("div", { class: "patches", role: "group", "aria-label": "Effect of each cell on the token" }, ...cells);
  grid.style.gridTemplate = `repeat(${rows}, 1fr) / repeat(${columns}, 1fr)`;
  roving(grid, "button", columns);
  tips(grid, "button", (cell) => {
    const place = Number(cell.dataset.cell);
    const effect = `${signed(effects[token][place])} nats`;
    showTip(cell, cellName(place, columns), [["log p lost when black", effect, true]]);
  });
  return grid;
}

function patchLegend(answer, token, off) {
  const { columns, effects } = answer.patches;
  const best = strongest(effects[token]);
  const close = element("button", { type: "button", "aria-keyshortcuts": "Escape" }, "Remove the grid");
  close.addEventListener("click", off);
  return element(
    "div",
    { class: "legend patch-legend" },
    element(
      "p",
      {},
      "Cell colour: log-prob, in nats, that token ",
      element("code", {}, JSON.stringify(tokenText(answer, token))),
      ` of ${runs[answer.run]} loses when the cell is blackened. Strongest: `,
      element("b", {}, `${cellName(best, columns)}, ${signed(effects[token][best])}`),
      ".",
    ),
    ...scaleBar(data.patch_edges, true, "likelier without the cell", "needs the cell"),
    close,
  );
}

/* Lays the grid over the picture of the stage, or takes it off where no token is given. */
function layPatches(stage, answer, token, off) {
  const held = stage.contains(document.activeElement);
  for (const old of stage.querySelectorAll(".patches, .patch-legend")) old.remove();
  stage.classList.toggle("overlaid", token !== null);
  if (token === null) return held;
  stage.querySelector(".frame").append(patchGrid(answer.patches, token));
  stage.querySelector("figure").after(patchLegend(answer, token, off));
  return held;
}
