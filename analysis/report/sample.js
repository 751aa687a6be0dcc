/* One sample: its pictures, its question, and a card for each run's answer. */

function picture(index, caption, alt, title) {
  const image = element("img", { src: data.pictures[index], alt });
  image.addEventListener("load", () => image.classList.toggle("small", image.naturalWidth <= 256));
  return element("figure", { class: title }, element("div", { class: "frame" }, image), element("figcaption", {}, caption));
}

function stageOf(item) {
  const counted = (name, place) => (item.pictures.length > 1 ? `${name} ${place + 1}` : name);
  const seen = (index, place) => picture(index, counted("Picture", place), "Picture that belongs to the question", "seen");
  const hidden = (index, place) =>
    picture(index, counted("Masked picture", place), "The same picture with parts masked", "masked");
  const pictures = [...item.pictures.map(seen), ...item.masked.map(hidden)];
  return element("div", { class: "stage" }, ...(pictures.length ? pictures : [element("p", { class: "quiet" }, "No picture.")]));
}

function badge(kind, ...content) {
  return element("span", { class: "badge " + kind }, ...content);
}

function verdictBadge(correct) {
  return correct ? badge("right", ...sign("✓"), " right") : badge("wrong", ...sign("✗"), " wrong");
}

/* The class of an error; a state that only repeats the verdict says nothing new. */
function stateBadge(state) {
  return ["right", "wrong"].includes(states[state]) ? null : badge("class", stateName(state));
}

function factChip([name, stated, truth, ok]) {
  const said = [element("span", {}, name + ": "), element("b", {}, stated)];
  if (truth === null) return element("li", { class: "unknown" }, ...sign("?"), " ", ...said, " (not checkable)");
  if (ok) return element("li", { class: "right" }, ...sign("✓", "true:"), " ", ...said);
  return element("li", { class: "wrong" }, ...sign("✗", "false:"), " ", ...said, ` (truth: ${truth})`);
}

function factList(facts) {
  if (!facts.length) return element("p", { class: "quiet" }, "States no fact about the picture.");
  return element("ul", { class: "facts", "aria-label": "Facts stated by the model" }, ...facts.map(factChip));
}

function outcome(answer) {
  const responses = [answer.correct, ...answer.others.map(([, correct]) => correct)];
  const right = responses.filter(Boolean).length;
  const extracted = answer.extracted === null ? element("i", {}, "none found") : element("b", {}, answer.extracted);
  const counted = responses.length > 1 ? `; right in ${right} of ${responses.length} responses` : "";
  return element("p", { class: "outcome" }, "Answer ", extracted, counted);
}

function noteOf(text) {
  return text === null ? null : element("p", { class: "note" }, text);
}

function otherEntry([text, correct, state], place) {
  const head = element("p", { class: "title" }, `k = ${place + 1} `, verdictBadge(correct), stateBadge(state));
  return element("li", {}, head, element("div", { class: "response", dir: "auto" }, text));
}

function othersOf(answer) {
  if (!answer.others.length) return null;
  const right = answer.others.filter(([, correct]) => correct).length;
  return element(
    "details",
    { class: "others" },
    element("summary", {}, `${plural(answer.others.length, "further response")}, ${right} right`),
    element("ol", {}, ...answer.others.map(otherEntry)),
  );
}

function rawText(answer) {
  const raw = element("pre", { tabindex: "0", "aria-label": "Raw text of the response" }, answer.text);
  const button = element("button", { type: "button" }, "Copy");
  const done = () => (button.textContent = "Copied");
  const select = () => {
    getSelection().selectAllChildren(raw);
    button.textContent = "Selected: press the copy key";
  };
  button.addEventListener("click", () => {
    if (navigator.clipboard) navigator.clipboard.writeText(answer.text).then(done, select);
    else select();
  });
  return element("details", {}, element("summary", {}, "Raw text"), raw, button);
}

/* A card, and how its tokens take the colours of a score. */
function card(answer, place, heat) {
  const box = answer.tokens
    ? tokenBox(answer, heat.score, (token) => heat.select({ answer: place, token }))
    : element("div", { class: "response", dir: "auto" }, answer.text);
  const mean = answer.tokens ? element("p", { class: "quiet mean" }) : null;
  const node = element(
    "section",
    { class: "card", "aria-label": "Answer of " + runs[answer.run] },
    element("div", { class: "title" }, element("h4", {}, runs[answer.run]), verdictBadge(answer.correct), stateBadge(answer.state)),
    outcome(answer),
    factList(answer.facts),
    box,
    mean,
    noteOf(answer.note),
    othersOf(answer),
    rawText(answer),
  );
  const recolour = () => (mean.textContent = colourTokens(box, answer, heat.score()));
  return { node, box, recolour: answer.tokens ? recolour : () => {} };
}

function heatBar(item, heat, changed) {
  const legend = element("div", { class: "legend" });
  const bar = element("div", { class: "heat" }, scoreSelect(heat.score(), changed), legend);
  if (item.answers.some((answer) => answer.patches)) {
    const hint = "Select a token (click, tap or Enter) to see which parts of the picture it depends on.";
    bar.append(element("p", { class: "hint" }, hint));
  }
  return { node: bar, show: () => legend.replaceChildren(...heatLegend(heat.score())) };
}

function aboutSample(item) {
  const tags = Object.entries(item.tags).map(([name, value]) => `${name.replaceAll("_", " ")}: ${value}`);
  return element("p", { class: "about" }, [item.column, ...tags].join(" · "));
}

function problemOf(item) {
  const row = (name, value, kind) =>
    element("div", {}, element("dt", {}, name), element("dd", { class: kind, dir: "auto" }, value));
  return element("dl", { class: "problem" }, row("Question", item.question, "question"), row("Gold answer", item.gold, "gold"));
}

/* Fills the article; `heat` tells the chosen score and takes a selected token. Returns what can change on it. */
function renderSample(view, item, heat) {
  const stage = stageOf(item);
  const cards = item.answers.map((answer, place) => card(answer, place, heat));
  const hasTokens = item.answers.some((answer) => answer.tokens);
  const bar = hasTokens ? heatBar(item, heat, heat.rescore) : null;
  const answers = cards.length
    ? element("div", { class: "cards" }, ...cards.map(({ node }) => node))
    : element("p", {}, "No run answered this sample.");
  const chain = element("div", { class: "chain" }, problemOf(item), bar && bar.node, answers);
  view.replaceChildren(
    element("h3", {}, item.id),
    aboutSample(item),
    noteOf(item.note) || "",
    element("div", { class: "exhibit" }, stage, chain),
  );
  const recolour = () => {
    if (bar) bar.show();
    for (const one of cards) one.recolour();
  };
  recolour();
  return { recolour, selected: (token) => showSelected(item, stage, cards, token, heat) };
}

/* Presses the selected token and lays its grid over the picture; null takes both off. */
function showSelected(item, stage, cards, selected, heat) {
  cards.forEach(({ box }, place) => {
    for (const span of box.querySelectorAll("[aria-pressed]")) {
      const pressed = selected !== null && selected.answer === place && selected.token === Number(span.dataset.token);
      span.setAttribute("aria-pressed", String(pressed));
    }
  });
  const answer = selected && item.answers[selected.answer];
  return layPatches(stage, answer, selected && selected.token, () => heat.select(null));
}
