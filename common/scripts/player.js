((id, {labels, start, about, packed}) => {
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const frames = new Response(unpacked).json();
  for (const box of document.querySelectorAll(`#${id}:not([data-ready])`)) {
    box.dataset.ready = "";
    const image = box.querySelector("img");
    const add = (name, properties) =>
      box.appendChild(Object.assign(document.createElement(name), properties));
    const play = add("button", {type: "button", textContent: "▶", title: "play, or pause"});
    const range = add("input", {type: "range", min: 0, max: labels.length - 1});
    const label = add("output", {});
    range.setAttribute("aria-label", labels[start].split(" = ")[0]);
    let timer = null;
    const stop = () => {
      timer = clearInterval(timer);
      play.textContent = "▶";
    };
    const show = async (n) => {
      range.value = n;
      label.textContent = ` ${labels[n]}`;
      range.setAttribute("aria-valuetext", labels[n]);
      const frame = (await frames)[n];
      image.src = frame.startsWith("<") ? `data:image/svg+xml,${encodeURIComponent(frame)}` : frame;
      image.alt = `${about} ${labels[n]}`;
    };
    const step = () => (+range.value < labels.length - 1 ? show(+range.value + 1) : stop());
    range.oninput = () => {
      stop();
      show(+range.value);
    };
    play.onclick = () => {
      if (timer) return stop();
      if (+range.value === labels.length - 1) return show(0);
      if (matchMedia("(prefers-reduced-motion: reduce)").matches) return step();
      play.textContent = "⏸";
      timer = setInterval(step, 900);
      step();
    };
    show(start);
  }
})
