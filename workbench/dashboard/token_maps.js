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

// The mark of the cell that is kept: where it is in the map, in parts of the map's size.
function mark(rows, columns) {
  const box = document.createElement("i")
  box.hidden = true
  box.style.width = `${100 / columns}%`
  box.style.height = `${100 / rows}%`
  return box
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector("#root")
  const shades = onDark(root) ? DARK : LIGHT
  const [rows, columns] = [data.queries.length, data.keys.length]
  const line = document.createElement("p")
  line.className = "readout"
  line.setAttribute("role", "status") // read aloud when it changes
  line.textContent = data.hint
  const keeping = document.createElement("small")
  const box = text(data)
  const spans = [...box.querySelectorAll("span")]
  const maps = data.maps.map((map) => ({ ...map, numbers: values(map), mark: mark(rows, columns) }))

  let shown = [0, rows - 1, 0] // which map, and the cell in it
  const show = (cell) => {
    shown = cell
    const [place, row, column] = cell
    const map = maps[place]
    line.textContent = readout(map, map.numbers[row * columns + column], data, row, column)
    spans.forEach((span, key) => {
      const [red, green, blue, strength] = colour(map.numbers[row * columns + key], map, shades)
      span.style.background = `rgba(${red}, ${green}, ${blue}, ${(shades.behindText * strength) / 255})`
      span.className = data.first[1] + key === data.first[0] + row ? "query" : ""
    })
  }

  // What was clicked stays, also when another head of the same text comes.
  const tokens = JSON.stringify([data.first, data.queries, data.keys])
  const keep = (cell) => {
    root.kept = cell && { cell, tokens }
    keeping.textContent = cell ? "Kept. Click another cell or token, or press Escape." : ""
    maps.forEach(({ mark }) => {
      mark.hidden = !cell
      if (!cell) return
      mark.style.top = `${(100 * cell[1]) / rows}%`
      mark.style.left = `${(100 * cell[2]) / columns}%`
    })
    if (cell) show(cell)
  }
  const toggle = (cell) => keep(root.kept && String(root.kept.cell) === String(cell) ? null : cell)

  const figures = maps.map((map, place) => {
    const figure = document.createElement("figure")
    const caption = document.createElement("figcaption")
    caption.textContent = map.name
    const canvas = document.createElement("canvas")
    canvas.setAttribute("role", "img")
    canvas.setAttribute("aria-label", `${map.name}, ${rows} queries by ${columns} keys`)
    draw(canvas, map, map.numbers, rows, columns, shades)
    const under = (event) => [
      place,
      Math.max(0, Math.min(rows - 1, Math.floor((event.offsetY / canvas.clientHeight) * rows))),
      Math.max(0, Math.min(columns - 1, Math.floor((event.offsetX / canvas.clientWidth) * columns))),
    ]
    canvas.onmousemove = (event) => { if (!root.kept) show(under(event)) }
    canvas.onclick = (event) => toggle(under(event))
    // The numbers without a mouse: arrows go from cell to cell, and Enter keeps one.
    let own = [place, rows - 1, 0]
    canvas.tabIndex = 0
    canvas.onfocus = () => { if (canvas.matches(":focus-visible") && !root.kept) show(own) } // not after a click
    canvas.onkeydown = (event) => {
      if (event.key === "Enter") return toggle(shown[0] === place ? shown : own)
      const step = STEPS[event.key]
      if (!step) return
      event.preventDefault()
      if (root.kept && shown[0] === place) own = shown
      own = [
        place,
        Math.max(0, Math.min(rows - 1, own[1] + step[0])),
        Math.max(0, Math.min(columns - 1, own[2] + step[1])),
      ]
      if (root.kept) keep(own)
      else show(own)
    }
    const scale = document.createElement("small")
    scale.textContent = `${map.diverging ? "blue below 0, orange above; " : ""}full colour at ${map.reach}`
    const frame = document.createElement("div")
    frame.append(canvas, map.mark)
    figure.append(caption, frame, scale)
    return figure
  })

  // A token of the text is a query, whose row is shown from the key that it reads most; else it is a key.
  spans.forEach((span, key) => {
    span.onclick = () => {
      const row = data.first[1] + key - data.first[0]
      if (row < 0 || row >= rows) return toggle([shown[0], shown[1], key])
      const read = maps[shown[0]].numbers.slice(row * columns, (row + 1) * columns)
      const most = Math.max(...read.filter((value) => !Number.isNaN(value)))
      toggle([shown[0], row, Math.max(0, read.indexOf(most))])
    }
  })

  root.listening?.abort() // that of the maps before
  const listening = new AbortController()
  root.listening = listening
  const letGo = (event) => { if (event.key === "Escape" && root.kept) keep(null) }
  document.addEventListener("keydown", letGo, { signal: listening.signal })

  const side = document.createElement("div")
  side.append(...figures)
  root.replaceChildren(side, line, keeping, box)
  if (root.kept && root.kept.tokens === tokens && root.kept.cell[0] < maps.length) keep(root.kept.cell)
  else keep(null)
  return () => listening.abort()
}
