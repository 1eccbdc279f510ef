// Attention maps side by side; the one under the pointer shows its numbers and colours the text below.
const LIGHT = { below: [0, 114, 178], above: [213, 94, 0], behindText: 0.75 }
const DARK = { below: [86, 180, 233], above: [230, 120, 40], behindText: 0.5 } // light text has to be read on it

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }

// The theme's text colour: light text means a dark page, on which darker shades would vanish.
function onDark(element) {
  const probe = document.createElement("i")
  probe.style.color = "var(--st-text-color)"
  element.append(probe)
  const [red, green, blue] = getComputedStyle(probe).color.match(/[\d.]+/g).map(Number)
  probe.remove()
  return red + green + blue > 3 * 128
}

function values(map) {
  const letters = atob(map.levels) // two to a level, the lower byte first
  const found = new Float32Array(letters.length / 2)
  const scale = (map.high - map.low) / 65534
  for (let cell = 0; cell < found.length; cell++) {
    const level = letters.charCodeAt(2 * cell) + 256 * letters.charCodeAt(2 * cell + 1)
    found[cell] = level ? map.low + (level - 1) * scale : NaN // level 0 is an empty cell
  }
  return found
}

function colour(value, map, shades) {
  if (Number.isNaN(value)) return [0, 0, 0, 0]
  const reach = Math.max(Math.abs(map.low), Math.abs(map.high)) || 1
  const level = Math.sqrt(Math.min(1, Math.abs(value) / reach))
  const [red, green, blue] = map.diverging && value > 0 ? shades.above : shades.below
  return [red, green, blue, Math.round(255 * level)]
}

function draw(canvas, map, numbers, rows, columns, shades) {
  canvas.width = columns
  canvas.height = rows
  const context = canvas.getContext("2d")
  const image = context.createImageData(columns, rows)
  const pixels = new Uint32Array(image.data.buffer) // one per cell, its first byte lowest
  numbers.forEach((value, cell) => {
    const [red, green, blue, strength] = colour(value, map, shades)
    pixels[cell] = (strength << 24) | (blue << 16) | (green << 8) | red
  })
  context.putImageData(image, 0, 0)
}

function text(data) {
  const box = document.createElement("p")
  box.className = "text"
  data.keys.forEach((piece) => {
    const span = document.createElement("span")
    span.textContent = piece
    box.append(span)
    if (piece.endsWith("⏎")) box.append(document.createElement("br"))
  })
  return box
}

function readout(map, value, data, row, column) {
  const query = `${data.first[0] + row} ${data.queries[row]}`
  const key = `${data.first[1] + column} ${data.keys[column]}`
  return `${map.name}: query ${query} → key ${key}: ${Number.isNaN(value) ? "later" : value.toFixed(4)}`
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector("#root")
  const shades = onDark(root) ? DARK : LIGHT
  const [rows, columns] = [data.queries.length, data.keys.length]
  const line = document.createElement("p")
  line.className = "readout"
  line.setAttribute("role", "status") // read aloud when it changes
  line.textContent = data.hint
  const box = text(data)
  const spans = [...box.querySelectorAll("span")]

  const figures = data.maps.map((map) => {
    const numbers = values(map)
    const figure = document.createElement("figure")
    const caption = document.createElement("figcaption")
    caption.textContent = map.name
    const canvas = document.createElement("canvas")
    canvas.setAttribute("role", "img")
    canvas.setAttribute("aria-label", `${map.name}, ${rows} queries by ${columns} keys`)
    draw(canvas, map, numbers, rows, columns, shades)
    const show = (row, column) => {
      line.textContent = readout(map, numbers[row * columns + column], data, row, column)
      spans.forEach((span, place) => {
        const [red, green, blue, strength] = colour(numbers[row * columns + place], map, shades)
        span.style.background = `rgba(${red}, ${green}, ${blue}, ${(shades.behindText * strength) / 255})`
        span.className = data.first[1] + place === data.first[0] + row ? "query" : ""
      })
    }
    canvas.onmousemove = (event) => {
      const row = Math.min(rows - 1, Math.floor((event.offsetY / canvas.clientHeight) * rows))
      const column = Math.min(columns - 1, Math.floor((event.offsetX / canvas.clientWidth) * columns))
      show(row, column)
    }
    // The numbers without a mouse: arrows go from cell to cell.
    let [row, column] = [rows - 1, 0]
    canvas.tabIndex = 0
    canvas.onfocus = () => { if (canvas.matches(":focus-visible")) show(row, column) } // not after a click
    canvas.onkeydown = (event) => {
      const step = STEPS[event.key]
      if (!step) return
      event.preventDefault()
      row = Math.max(0, Math.min(rows - 1, row + step[0]))
      column = Math.max(0, Math.min(columns - 1, column + step[1]))
      show(row, column)
    }
    const scale = document.createElement("small")
    scale.textContent = `${map.diverging ? "blue below 0, orange above; " : ""}full colour at ${map.reach}`
    figure.append(caption, canvas, scale)
    return figure
  })
  const maps = document.createElement("div")
  maps.append(...figures)
  root.replaceChildren(maps, line, box)
}
