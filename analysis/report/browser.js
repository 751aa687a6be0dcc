"use strict";
(() => {
  const { items, pictures, edges } = JSON.parse(document.getElementById("data").textContent);
  const form = document.getElementById("filters");
  const view = document.getElementById("sample");
  const count = document.getElementById("count");
  const previous = document.getElementById("previous");
  const next = document.getElementById("next");
  const FILTERS = ["column", "dependency", "run", "verdict", "error", "text"];
  const DIGITS = Math.max(2, Math.ceil(-Math.log10(edges[0])) + 1);
  const DEPENDENCY_ORDER = ["low", "medium", "high"];
  let matching = items;
  let shown = items[0];

  /* Children given as strings become text nodes, never markup. */
  function element(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.append(...children.filter((child) => child !== null));
    return node;
  }

  function number(value) {
    return value.toFixed(DIGITS).replace(/^-/, "−");
  }

  function signed(value) {
    return (value > 0 ? "+" : "") + number(value);
  }

  /* A sign for the eye, a word for a screen reader. */
  function sign(symbol, word = null) {
    const spoken = word === null ? null : element("span", { class: "spoken" }, word);
    return [element("span", { "aria-hidden": "true" }, symbol), spoken];
  }

  /* Filters: all conditions about an answer must hold for the same answer. */

  const VERDICTS = {
    "": () => true,
    right: (answer) => answer.correct,
    wrong: (answer) => !answer.correct,
    only_right: (answer, item) => answer.correct && item.answers.some((other) => !other.correct),
    only_wrong: (answer, item) => !answer.correct && item.answers.some((other) => other.correct),
  };

  function chosen() {
    return Object.fromEntries(FILTERS.map((name) => [name, form.elements[name].value]));
  }

  function answerMatches(answer, item, filter) {
    return (
      (!filter.run || answer.run === filter.run) &&
      (!filter.error || answer.error_class === filter.error) &&
      VERDICTS[filter.verdict](answer, item)
    );
  }

  function searchable(item) {
    const stated = (answer) => answer.facts.map((fact) => `${fact.name} ${fact.stated}`);
    const answers = item.answers.flatMap((answer) => [answer.text, ...stated(answer)]);
    return [item.id, item.version || "", item.question, item.gold, ...answers].join("\n").toLowerCase();
  }

  function matches(item, filter) {
    const aboutAnswers = filter.run || filter.verdict || filter.error;
    return (
      (!filter.column || item.column === filter.column) &&
      (!filter.dependency || item.dependency === filter.dependency) &&
      (!aboutAnswers || item.answers.some((answer) => answerMatches(answer, item, filter))) &&
      (!filter.text || searchable(item).includes(filter.text.trim().toLowerCase()))
    );
  }

  function fillSelect(name, values) {
    const options = [...new Set(values)].filter((value) => value !== null);
    const rank = (value) => DEPENDENCY_ORDER.indexOf(value);
    if (name === "dependency") options.sort((a, b) => rank(a) - rank(b));
    for (const value of options) form.elements[name].append(element("option", { value }, value));
  }

  /* One sample. */

  function picture(index, caption, alt) {
    const image = element("img", { src: "data:image/png;base64," + pictures[index], alt });
    image.addEventListener("load", () => image.classList.toggle("small", image.naturalWidth <= 256));
    return element("figure", {}, image, element("figcaption", {}, caption));
  }

  function badge(kind, ...content) {
    return element("span", { class: "badge " + kind }, ...content);
  }

  function factChip(fact) {
    const said = [element("span", {}, fact.name + ": "), element("b", {}, fact.stated)];
    if (fact.truth === null) return element("li", { class: "unknown" }, ...sign("?"), " ", ...said, " (not checkable)");
    if (fact.ok) return element("li", { class: "right" }, ...sign("✓", "true:"), " ", ...said);
    return element("li", { class: "wrong" }, ...sign("✗", "false:"), " ", ...said, ` (truth: ${fact.truth})`);
  }

  function colourStep(drop) {
    return Math.sign(drop) * edges.filter((edge) => Math.abs(drop) >= edge).length;
  }

  function describe([text, logprob, masked]) {
    return `${JSON.stringify(text)}: log p ${number(logprob)}, masked ${number(masked)}, drop ${signed(logprob - masked)} nats`;
  }

  function tokenSpan(token) {
    const [text, logprob, masked] = token;
    const span = element("span", { "data-step": colourStep(logprob - masked), title: describe(token) }, text);
    if (/^\s*\n\s*$/.test(text)) span.classList.add("newline");
    return span;
  }

  function response(answer) {
    const box = element("div", { class: "response", dir: "auto" });
    if (!answer.tokens.length) {
      box.append(answer.text);
      return [box];
    }
    const mean = answer.tokens.reduce((sum, [, logprob, masked]) => sum + logprob - masked, 0) / answer.tokens.length;
    const resting = `Mean drop ${signed(mean)} nats over ${answer.tokens.length} tokens. Point at or tap a token for its numbers.`;
    const readout = element("p", { class: "readout" }, resting);
    const read = (event) => (readout.textContent = event.target === box ? resting : event.target.title);
    box.append(...answer.tokens.map(tokenSpan));
    box.addEventListener("mouseover", read);
    box.addEventListener("click", read);
    box.addEventListener("mouseleave", () => (readout.textContent = resting));
    return [box, readout];
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

  function card(answer) {
    const [right, sampled] = answer.correct_of_k;
    const verdict = answer.correct ? badge("right", ...sign("✓"), " right") : badge("wrong", ...sign("✗"), " wrong");
    const error = answer.error_class === null ? null : badge("error", "error: " + answer.error_class);
    const extracted = answer.extracted === null ? element("i", {}, "none found") : element("b", {}, answer.extracted);
    const facts = answer.facts.length
      ? element("ul", { class: "facts", "aria-label": "Facts stated by the model" }, ...answer.facts.map(factChip))
      : element("p", { class: "quiet" }, "States no fact about the picture.");
    return element(
      "section",
      { class: "card", "aria-label": "Answer of " + answer.run },
      element("div", { class: "title" }, element("h4", {}, answer.run), verdict, error),
      element("p", { class: "outcome" }, "Answer ", extracted, `; right in ${right} of ${sampled} samples`),
      facts,
      ...response(answer),
      rawText(answer),
    );
  }

  function legend() {
    const scale = element("div", { class: "scale", "aria-hidden": "true" });
    for (let step = -edges.length; step <= edges.length; step++) {
      const border = step <= 0 ? -edges[-step] : edges[step - 1];
      const label = step === -edges.length ? "" : String(border).replace("-", "−");
      scale.append(element("span", { "data-step": step }, element("i", {}, label)));
    }
    return element(
      "div",
      { class: "legend" },
      element("p", {}, "Token colour: drop in log-probability when the image is masked, in nats"),
      scale,
      element("p", { class: "ends" }, element("span", {}, "likelier without the image"), element("span", {}, "needs the image")),
    );
  }

  function render(item) {
    const about = [item.column, `${item.dependency} vision dependency`, item.version].filter((part) => part !== null);
    const hasTokens = item.answers.some((answer) => answer.tokens.length);
    view.replaceChildren(
      element("h3", {}, item.id),
      element("p", { class: "about" }, about.join(" · ")),
      element(
        "div",
        { class: "problem" },
        element(
          "div",
          { class: "pictures" },
          picture(item.image, "Image", "Picture that belongs to the question"),
          picture(item.masked, "Masked image", "The same picture with parts masked"),
        ),
        element(
          "dl",
          {},
          element("div", {}, element("dt", {}, "Question"), element("dd", { class: "question", dir: "auto" }, item.question)),
          element("div", {}, element("dt", {}, "Gold answer"), element("dd", {}, item.gold)),
        ),
      ),
      hasTokens ? legend() : "",
      item.answers.length
        ? element("div", { class: "cards" }, ...item.answers.map(card))
        : element("p", {}, "No run answered this sample."),
    );
  }

  /* Where we are: the address, the filter form and the shown sample follow each other. */

  function position() {
    const place = matching.indexOf(shown);
    if (!matching.length) return `0 of ${items.length} match`;
    if (place < 0) return `outside the filter; ${matching.length} of ${items.length} match`;
    if (matching.length === items.length) return `${place + 1} of ${items.length}`;
    return `${place + 1} of ${matching.length} matching, ${items.length} in all`;
  }

  /* A link may name a sample that the filters leave out: it is shown all the same. */
  function update(linked) {
    const filter = chosen();
    matching = items.filter((item) => matches(item, filter));
    if (!linked && matching.length && !matching.includes(shown)) shown = matching[0];
    count.textContent = position();
    for (const button of [previous, next]) button.disabled = !matching.length;
    if (matching.length || linked) render(shown);
    else view.replaceChildren(element("p", { class: "quiet" }, "No sample matches these filters."));
  }

  function remember() {
    const parts = new URLSearchParams({ sample: shown.id });
    for (const [name, value] of Object.entries(chosen())) if (value) parts.set(name, value);
    history.replaceState(null, "", "#" + parts);
  }

  function filterChanged() {
    update(false);
    remember();
  }

  function step(by) {
    if (!matching.length) return;
    const place = matching.indexOf(shown);
    const start = place < 0 && by < 0 ? 0 : place;
    shown = matching[(start + by + matching.length) % matching.length];
    update(false);
    remember();
  }

  function setFilter(control, value) {
    control.value = value;
    if (control.selectedIndex === -1) control.selectedIndex = 0;
  }

  function followAddress() {
    const parts = new URLSearchParams(location.hash.slice(1));
    if (!["sample", ...FILTERS].some((name) => parts.has(name))) return;
    for (const name of FILTERS) setFilter(form.elements[name], parts.get(name) || "");
    const linked = items.find((item) => item.id === parts.get("sample"));
    shown = linked || shown;
    update(Boolean(linked));
    if (parts.has("sample") && !linked) count.textContent += `; no sample is called ${parts.get("sample")}`;
    document.getElementById("samples").scrollIntoView();
  }

  fillSelect("column", items.map((item) => item.column));
  fillSelect("dependency", items.map((item) => item.dependency));
  fillSelect("run", items.flatMap((item) => item.answers.map((answer) => answer.run)));
  fillSelect("error", items.flatMap((item) => item.answers.map((answer) => answer.error_class)));
  form.addEventListener("input", filterChanged);
  form.addEventListener("reset", () => setTimeout(filterChanged));
  form.addEventListener("submit", (event) => event.preventDefault());
  previous.addEventListener("click", () => step(-1));
  next.addEventListener("click", () => step(1));
  document.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const typing = event.target.closest("input, select, pre, .wide");
    if (!by || typing || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    step(by);
  });
  addEventListener("hashchange", followAddress);
  update(false);
  followAddress();
})();
