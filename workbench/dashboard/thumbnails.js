// Small attention maps, one button each: clicking one chooses its layer and head.
const BLUE = [0, 114, 178]

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
}

function draw(canvas, levels, side) {
  canvas.width = canvas.height = side
  const context = canvas.getContext("2d")
  const image = context.createImageData(side, side)
  for (let cell = 0; cell < side * side; cell++) image.data.set([...BLUE, levels[cell]], 4 * cell)
  context.putImageData(image, 0, 0)
}

function thumbnail(map, levels, data, choose) {
  const button = document.createElement("button")
  const chosen = map.layer === data.chosen[0] && map.head === data.chosen[1]
  button.className = chosen ? "chosen" : map.pale ? "pale" : ""
  button.title = map.name
  button.setAttribute("aria-label", `${map.series}: ${map.name}`)
  button.onclick = () => choose(map)
  const canvas = document.createElement("canvas")
  draw(canvas, levels, data.side)
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

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector("#root")
  const choose = (map) => setTriggerValue("picked", { layer: map.layer, head: map.head })
  const names = [...new Set(data.maps.map((map) => map.series))]
  root.replaceChildren(...names.map((series) => grid(series, data, choose)))
}
