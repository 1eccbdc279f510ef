// Small attention maps, one button each: clicking one chooses its layer and head.
const [BLUE, SKY] = [[0, 114, 178], [86, 180, 233]]

// The theme's text colour: light text means a dark page, on which darker shades would vanish.
function onDark(element) {
  const probe = document.createElement("i")
  probe.style.color = "var(--st-text-color)"
  element.append(probe)
  const [red, green, blue] = getComputedStyle(probe).color.match(/[\d.]+/g).map(Number)
  probe.remove()
  return red + green + blue > 3 * 128
}

// A plain loop: half a million cells pass here, and Uint8Array.from takes a tenth of a second for them.
function bytes(text) {
  const letters = atob(text)
  const found = new Uint8Array(letters.length)
  for (let place = 0; place < found.length; place++) found[place] = letters.charCodeAt(place)
  return found
}

function draw(canvas, levels, side, shade) {
  canvas.width = canvas.height = side
  const context = canvas.getContext("2d")
  const image = context.createImageData(side, side)
  const [red, green, blue] = shade
  const pixels = new Uint32Array(image.data.buffer) // one per cell, its first byte lowest
  const colour = (blue << 16) | (green << 8) | red
  for (let cell = 0; cell < pixels.length; cell++) pixels[cell] = colour | (levels[cell] << 24)
  context.putImageData(image, 0, 0)
}

function thumbnail(map, levels, data, choose) {
  const button = document.createElement("button")
  button.title = map.name
  button.setAttribute("aria-label", `${map.series}: ${map.name}`)
  button.onclick = () => choose(map)
  const canvas = document.createElement("canvas")
  draw(canvas, levels, data.side, data.shade)
  button.append(canvas)
  return button
}

function grid(series, data, choose) {
  const block = document.createElement("figure")
  const caption = document.createElement("figcaption")
  caption.textContent = series
  const cells = document.createElement("div")
  cells.style.gridTemplateColumns = `repeat(${data.columns}, minmax(0, 104px))`
  const levels = bytes(data.levels)
  const size = data.side * data.side
  data.maps.forEach((map, place) => {
    if (map.series !== series) return
    const button = thumbnail(map, levels.subarray(place * size, (place + 1) * size), data, choose)
    button.style.gridRow = map.layer + 1
    button.style.gridColumn = map.head + 1
    cells.append(button)
  })
  block.append(caption, cells)
  return block
}

function mark(root, data) {
  const buttons = root.querySelectorAll("button") // in the order of the maps
  data.maps.forEach((map, place) => {
    const chosen = map.layer === data.chosen[0] && map.head === data.chosen[1]
    buttons[place].className = chosen ? "chosen" : map.pale ? "pale" : ""
  })
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector("#root")
  const shade = onDark(root) ? SKY : BLUE
  const drawn = [data.levels, JSON.stringify(data.maps), shade.join()]
  root.choose = (map) => setTriggerValue("picked", { layer: map.layer, head: map.head })
  // Another choice among the same maps draws nothing anew.
  if (!drawn.every((part, place) => root.drawn?.[place] === part)) {
    const names = [...new Set(data.maps.map((map) => map.series))]
    root.replaceChildren(...names.map((series) => grid(series, { ...data, shade }, (map) => root.choose(map))))
    root.drawn = drawn
  }
  mark(root, data)
}
