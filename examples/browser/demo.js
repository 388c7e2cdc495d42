"use strict";

const field = document.getElementById("field");
const paint = field.getContext("2d");
const choice = (id) => document.getElementById(id).value;
const show = (id, text) => { document.getElementById(id).textContent = text; };
const REACH = 5; // the plane goes from -REACH to REACH both ways
const GRID = 32;
const COLOURS = ["#e07b26", "#2f6fce"];

let seed = 1; // the same points for everybody in the room
const chance = () => {
  seed = (seed * 1103515245 + 12345) % 2147483648;
  return seed / 2147483648;
};

const SHAPES = {
  spiral(i) {
    const kind = i % 2, turn = (i / 100) * 4.5, far = 0.4 + (i / 100) * 4;
    const angle = turn + kind * Math.PI + (chance() - 0.5) * 0.3;
    return { x: far * Math.cos(angle), y: far * Math.sin(angle), kind };
  },
  ring(i) {
    const kind = i % 2, far = kind ? 3 + chance() : chance() * 2, angle = chance() * 2 * Math.PI;
    return { x: far * Math.cos(angle), y: far * Math.sin(angle), kind };
  },
  halves() {
    const x = (chance() - 0.5) * 9, y = (chance() - 0.5) * 9;
    return { x, y, kind: x + y / 2 > 0 ? 1 : 0 };
  },
};

let points, network, trainer, epoch;

function startAgain() {
  seed = 1;
  points = Array.from({ length: 100 }, (_, i) => SHAPES[choice("shape")](i));
  const layers = [{ type: "input", out_sx: 1, out_sy: 1, out_depth: 2 }];
  for (let i = 0; i < Number(choice("layers")); i++) {
    layers.push({ type: "fc", num_neurons: Number(choice("width")), activation: "tanh" });
  }
  layers.push({ type: "softmax", num_classes: 2 });
  network = new convnetjs.Net();
  network.makeLayers(layers);
  trainer = new convnetjs.Trainer(network, { method: "adadelta", batch_size: 10, l2_decay: 0.0005 });
  epoch = 0;
}

const asInput = (x, y) => new convnetjs.Vol([x / 2, y / 2]);
const onCanvas = (value) => ((value + REACH) / (2 * REACH)) * field.width;

function learn() {
  let loss = 0;
  for (const point of points) loss += trainer.train(asInput(point.x, point.y), point.kind).loss;
  epoch += 1;
  return loss / points.length;
}

function draw() {
  const cell = field.width / GRID;
  for (let column = 0; column < GRID; column++) {
    for (let row = 0; row < GRID; row++) {
      const x = ((column + 0.5) / GRID - 0.5) * 2 * REACH, y = ((row + 0.5) / GRID - 0.5) * 2 * REACH;
      const blue = network.forward(asInput(x, y)).w[1];
      paint.fillStyle = `rgb(${250 - 90 * blue}, ${215 - 15 * blue}, ${170 + 75 * blue})`;
      paint.fillRect(column * cell, row * cell, cell + 1, cell + 1);
    }
  }
  for (const point of points) {
    paint.beginPath();
    paint.arc(onCanvas(point.x), onCanvas(point.y), 6, 0, 2 * Math.PI);
    paint.fillStyle = COLOURS[point.kind];
    paint.strokeStyle = "#fff";
    paint.lineWidth = 2;
    paint.fill();
    paint.stroke();
  }
}

function step() {
  let loss;
  for (let i = 0; i < 10; i++) loss = learn();
  const right = points.filter((p) => (network.forward(asInput(p.x, p.y)).w[1] > 0.5) === (p.kind === 1)).length;
  show("epoch", epoch);
  show("loss", loss.toFixed(3));
  show("right", `${Math.round((100 * right) / points.length)} %`);
  draw();
  requestAnimationFrame(step);
}

field.addEventListener("click", (event) => {
  const box = field.getBoundingClientRect();
  const x = ((event.clientX - box.left) / box.width - 0.5) * 2 * REACH;
  const y = ((event.clientY - box.top) / box.height - 0.5) * 2 * REACH;
  points.push({ x, y, kind: event.shiftKey ? 1 : 0 });
});
for (const id of ["shape", "layers", "width"]) document.getElementById(id).addEventListener("change", startAgain);
document.getElementById("again").addEventListener("click", startAgain);

startAgain();
step();
