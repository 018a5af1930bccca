(async (id, {labels, start, about, packed}) => {
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const frames = await new Response(unpacked).json();
  for (const box of document.querySelectorAll(`#${id}:not([data-ready])`)) {
    box.dataset.ready = "";
    box.dataset.lmSuppressShortcuts = "true";  // else JupyterLab takes the arrow keys
    box.onkeydown = (event) => event.stopPropagation();
    box.insertAdjacentHTML("beforeend", `<button type="button" title="play, or pause">▶</button>
      <input type="range" max="${labels.length - 1}" aria-label="${labels[0].split(" = ")[0]}">
      <output></output>`);
    const [image, play, range, label] = box.children;
    const show = (n) => {
      range.value = n;
      label.textContent = range.ariaValueText = labels[n];
      image.src = `data:image/svg+xml,${encodeURIComponent(frames[n])}`;
      image.alt = `${about} ${labels[n]}`;
    };
    let timer;
    const stop = () => (timer = clearInterval(timer), play.textContent = "▶");
    const step = () => (range.value === range.max ? stop() : show(+range.value + 1));
    range.oninput = () => (stop(), show(range.value));
    play.onclick = () => {
      if (timer) return stop();
      if (range.value === range.max) return show(0);
      step();
      if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
      [timer, play.textContent] = [setInterval(step, 900), "⏸"];
    };
    show(start);
  }
})
