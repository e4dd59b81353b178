// Limits as sliders: what the page says of a limit follows while it is moved.
const form = document.querySelector('[data-island="what-if"]');
let isAsking = false;
let isMoved = false;

function addSlider(field) {
  const slider = document.createElement("input");
  slider.type = "range";
  slider.min = field.dataset.low;
  slider.max = field.dataset.high;
  slider.step = field.dataset.stop;
  slider.value = field.value || field.dataset.was;
  slider.setAttribute("aria-label", `${field.labels[0].innerText} by slider`);
  slider.addEventListener("input", () => {
    field.value = slider.value;
    follow();
  });
  field.addEventListener("input", () => {
    slider.value = field.value || field.dataset.was;
    follow();
  });
  field.closest(".limit").append(slider);
}

function spellAddress() {
  const asked = new URLSearchParams();
  for (const field of form.querySelectorAll("input[name]")) {
    const limit = field.value.trim();
    if (limit) asked.append("limit", `${field.name.slice("limit=".length)}=${limit}`);
    field.closest(".limit").classList.toggle("tried", limit !== "");
  }
  return asked.size ? `${form.action}?${asked}` : form.action;
}

// One question at a time: while an answer is on its way only the last position is remembered.
async function follow() {
  isMoved = true;
  if (isAsking) return;
  isAsking = true;
  while (isMoved) {
    isMoved = false;
    await ask(spellAddress());
  }
  isAsking = false;
}

async function ask(address) {
  history.replaceState(null, "", address);
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (answer.ok) {
      document.title = page.title;
      for (const part of document.querySelectorAll("[data-part]")) {
        const fresh = page.querySelector(`[data-part="${part.dataset.part}"]`);
        part.replaceChildren(...(fresh ? fresh.childNodes : []));
      }
      document.querySelector(".calls")?.replaceWith(...page.querySelectorAll(".calls"));
    } else {
      complain(page.querySelector(".problem h1")?.textContent ?? `The server answered ${answer.status}.`);
    }
  } catch {
    complain("The server does not answer; what stands here is of the limit before.");
  }
}

function complain(text) {
  document.querySelector('[data-part="fault"]').textContent = text;
}

form.querySelectorAll("input[data-low]").forEach(addSlider);
