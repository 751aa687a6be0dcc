/* Which samples match: conditions on the sample, on one of its answers and on its text. */

const form = document.getElementById("filters");
const FORM_NAMES = ["column", "run", "verdict", "state", "text"];
const TAG = "tag."; // before the names of tags in a link, so that none can be taken for another filter
const LEVELS = ["low", "medium", "high"];

const VERDICTS = {
  "": () => true,
  right: (answer) => answer.correct,
  wrong: (answer) => !answer.correct,
  only_right: (answer, item) => answer.correct && item.answers.some((other) => !other.correct),
  only_wrong: (answer, item) => !answer.correct && item.answers.some((other) => other.correct),
};

const controls = new Map();

function byRank(first, second) {
  const rank = (value) => LEVELS.indexOf(value);
  return rank(first) - rank(second) || first.localeCompare(second, "en", { numeric: true });
}

function fillSelect(select, values) {
  for (const value of values) select.append(element("option", { value }, value));
}

function titled(name) {
  return name.charAt(0).toUpperCase() + name.slice(1).replaceAll("_", " ");
}

/* One select per tag, before the select of runs; a tag that all samples share in one value offers no choice. */
function tagSelects() {
  const values = new Map();
  for (const item of items) {
    for (const [name, value] of Object.entries(item.tags)) {
      if (!values.has(name)) values.set(name, []);
      values.get(name).push(value);
    }
  }
  for (const [name, found] of values) {
    const different = [...new Set(found)].sort(byRank);
    if (different.length === 1 && found.length === items.length) continue;
    const select = element("select", {}, element("option", { value: "" }, "any"));
    fillSelect(select, different);
    controls.set(TAG + name, select);
    form.elements.run.closest("label").before(element("label", {}, titled(name) + " ", select));
  }
}

function prepareFilters() {
  for (const name of FORM_NAMES) controls.set(name, form.elements[name]);
  fillSelect(form.elements.column, new Set(items.map((item) => item.column)));
  fillSelect(form.elements.run, runs);
  fillSelect(form.elements.state, states);
  tagSelects();
  const letters = document.getElementById("letters");
  letters.append(...states.flatMap((_, state) => [stateName(state), " "]));
  const order = runs.length > 1 ? `The marks of a sample stand for ${runs.join(", ")}, in this order. ` : "";
  letters.append(element("span", { class: "order" }, order + "The keys ← and → go from sample to sample."));
}

function chosen() {
  return Object.fromEntries([...controls].map(([name, control]) => [name, control.value]));
}

/* Text of a sample, made when it is first searched. */
const searchTexts = new Map();

function searchable(item) {
  if (!searchTexts.has(item)) {
    const stated = (answer) => answer.facts.map(([name, said]) => `${name} ${said}`);
    const said = (answer) => [answer.text, answer.note, ...stated(answer), ...answer.others.map(([text]) => text)];
    const parts = [item.id, ...Object.values(item.tags), item.question, item.gold, item.note];
    searchTexts.set(item, [...parts, ...item.answers.flatMap(said)].join("\n").toLowerCase());
  }
  return searchTexts.get(item);
}

/* All conditions about an answer must hold for the same answer. */
function answerMatches(answer, item, filter) {
  return (
    (!filter.run || runs[answer.run] === filter.run) &&
    (!filter.state || states[answer.state] === filter.state) &&
    VERDICTS[filter.verdict](answer, item)
  );
}

function matches(item, filter, tags, text) {
  const aboutAnswers = filter.run || filter.verdict || filter.state;
  return (
    (!filter.column || item.column === filter.column) &&
    tags.every(([name, value]) => item.tags[name] === value) &&
    (!aboutAnswers || item.answers.some((answer) => answerMatches(answer, item, filter))) &&
    (!text || searchable(item).includes(text))
  );
}

function matchingItems(filter) {
  const named = Object.entries(filter).filter(([name, value]) => name.startsWith(TAG) && value);
  const tags = named.map(([name, value]) => [name.slice(TAG.length), value]);
  const text = filter.text.trim().toLowerCase();
  return items.filter((item) => matches(item, filter, tags, text));
}
