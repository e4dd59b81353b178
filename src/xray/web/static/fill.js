// Parts of a page that take long to work out come when the rest of it stands.

for (const part of document.querySelectorAll("[data-fill]")) {
  fill(part).catch((error) => part.append(`It could not be loaded: ${error.message}.`));
}

async function fill(part) {
  part.setAttribute("aria-busy", "true");
  const answer = await fetch(part.dataset.fill);
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const whole = page.querySelector(`[data-part="${part.dataset.part}"]`);
  if (!whole) throw new Error("the page lacks it");
  part.replaceChildren(...whole.childNodes);
  part.removeAttribute("aria-busy");
}
