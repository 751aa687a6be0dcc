/* What the scripts of all pages use. */

/* Children given as strings become text nodes, never markup. */
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null));
  return node;
}

function embeddedData() {
  return JSON.parse(document.getElementById("data").textContent);
}

/* The pictures of a question. */
function questionPictures(places, pictures) {
  return element("div", { class: "pictures" }, ...places.map((place, index) =>
    element("img", { src: pictures[place], alt: `Picture ${index + 1} of the question` })));
}

function choiceList(choices) {
  return element("ol", { class: "choices" }, ...choices.map((choice) => element("li", { dir: "auto" }, choice)));
}
