// Calls of the API are copied with one click, and the page says that they were.

const SHOWN_MS = 2500;

for (const block of document.querySelectorAll(".call pre")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy ${block.getAttribute("aria-label")}`);
  button.addEventListener("click", async () => {
    const isCopied = await copyText(block.textContent, block);
    button.textContent = isCopied ? "Copied" : "Selected";
    setTimeout(() => { button.textContent = "Copy"; }, SHOWN_MS);
  });
  const holder = document.createElement("div");
  holder.className = "copied";
  block.replaceWith(holder);
  holder.append(block, button);
}

// Where a server is reached without encryption, browsers offer no clipboard but the old command.
export async function copyText(text, place) {
  let isCopied = await navigator.clipboard?.writeText(text).then(() => true, () => false);
  if (!isCopied && place) {
    getSelection().selectAllChildren(place);
    isCopied = document.execCommand("copy");
  }
  say(isCopied ? "Copied" : "The browser lets no page copy here; press Ctrl C");
  return Boolean(isCopied);
}

let line = null;
let clearing = 0;

export function say(text) {
  if (!line) {
    line = document.createElement("p");
    line.className = "said";
    line.setAttribute("role", "status");
    document.body.append(line);
  }
  line.textContent = text;
  clearTimeout(clearing);
  clearing = setTimeout(() => { line.textContent = ""; }, SHOWN_MS);
}
