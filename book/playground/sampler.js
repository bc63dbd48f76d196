"use strict";
// Draws of what decides a step: ‖P_r ĝ‖² and gᵀĝ, for ‖g‖ = 1. The twin of mezo_lab/sampling: `reduced` for laws that no
// rotation changes, at any dimension; and z itself, coordinate by coordinate, for the others.
//
// Each function returns (random, out) → nothing, which writes out.length = ‖P_r ĝ‖² and out.overlap = gᵀĝ.

const sampler = (() => {
  /** The sampler of a law. `rank`: r of P_r, d for the whole space. */
  function of({ law, d, n, rank }) {
    if (law === "gaussian") return gaussian(n, rank);
    if (law === "sphere") return sphere(d, n, rank);
    if (law === "orthogonal") return 2 * n <= d ? orthogonal(d, n, rank) : frame(d, n, rank);
    return directions(law, d, n, rank);
  }

  /** Write a Gram matrix of n standard Gaussian vectors in `freedom` dimensions: L Lᵀ, L by Bartlett (1933). */
  function wishart(random, gram, lower, n, freedom) {
    gram.fill(0);
    if (freedom < n) {
      // too few dimensions for an L of full rank: the vectors themselves, one dimension at a time
      for (let i = 0; i < freedom; i += 1) addSquare(random, gram, lower, n);
      return;
    }
    for (let i = 0; i < n; i += 1) {
      for (let j = 0; j < i; j += 1) lower[i * n + j] = random.normal();
      lower[i * n + i] = Math.sqrt(random.chiSquare(freedom - i));
    }
    for (let i = 0; i < n; i += 1) {
      for (let j = 0; j <= i; j += 1) {
        let sum = 0;
        for (let k = 0; k <= j; k += 1) sum += lower[i * n + k] * lower[j * n + k];
        gram[i * n + j] = sum;
        gram[j * n + i] = sum;
      }
    }
  }

  /** Add x xᵀ for a vector x of n normals, which is left in `x`. */
  function addSquare(random, gram, x, n) {
    for (let i = 0; i < n; i += 1) x[i] = random.normal();
    for (let i = 0; i < n; i += 1) {
      for (let j = 0; j < n; j += 1) gram[i * n + j] += x[i] * x[j];
    }
  }

  /** aᵀGa/n² and Σ a_k²/n, with a_k = z_kᵀg and G the Gram matrix of the P_r z_k. */
  function write(out, along, gram, n) {
    let length = 0;
    let overlap = 0;
    for (let i = 0; i < n; i += 1) {
      let product = 0;
      for (let j = 0; j < n; j += 1) product += gram[i * n + j] * along[j];
      length += along[i] * product;
      overlap += along[i] * along[i];
    }
    out.length = length / (n * n);
    out.overlap = overlap / n;
  }

  /** Gaussian probes: what lies along g are normals; the rest of their Gram matrix does not know g. */
  function gaussian(n, rank) {
    const along = new Float64Array(n);
    const gram = new Float64Array(n * n);
    const lower = new Float64Array(n * n);
    return (random, out) => {
      wishart(random, gram, lower, n, rank - 1);
      addSquare(random, gram, along, n);
      write(out, along, gram, n);
    };
  }

  /** The same, each probe divided by its length and multiplied by √d. */
  function sphere(d, n, rank) {
    const along = new Float64Array(n);
    const gram = new Float64Array(n * n);
    const lower = new Float64Array(n * n);
    const scale = new Float64Array(n);
    return (random, out) => {
      wishart(random, gram, lower, n, rank - 1);
      addSquare(random, gram, along, n);
      for (let i = 0; i < n; i += 1) {
        scale[i] = Math.sqrt(d / (gram[i * n + i] + random.chiSquare(d - rank)));
        along[i] *= scale[i];
      }
      for (let i = 0; i < n; i += 1) {
        for (let j = 0; j < n; j += 1) gram[i * n + j] *= scale[i] * scale[j];
      }
      write(out, along, gram, n);
    };
  }

  /** The same, multiplied by √d·L⁻¹, where L Lᵀ is the Gram matrix in the whole space: then the probes are orthogonal. */
  function orthogonal(d, n, rank) {
    const along = new Float64Array(n);
    const gram = new Float64Array(n * n);
    const rest = new Float64Array(n * n);
    const lower = new Float64Array(n * n);
    return (random, out) => {
      wishart(random, gram, lower, n, rank - 1);
      addSquare(random, gram, along, n);
      wishart(random, rest, lower, n, d - rank);
      for (let i = 0; i < n * n; i += 1) rest[i] += gram[i];
      cholesky(rest, lower, n);
      solveColumns(lower, gram, n);
      transpose(gram, n);
      solveColumns(lower, gram, n);
      for (let i = 0; i < n; i += 1) {
        for (let j = 0; j < i; j += 1) along[i] -= lower[i * n + j] * along[j];
        along[i] /= lower[i * n + i];
      }
      for (let i = 0; i < n; i += 1) along[i] *= Math.sqrt(d);
      for (let i = 0; i < n * n; i += 1) gram[i] *= d;
      write(out, along, gram, n);
    };
  }

  /**
   * Orthogonal probes themselves, where n is more than half of d: there L may be nearly singular, and dividing by it would
   * round. Gaussian vectors are made orthonormal, twice for accuracy, and g is the first coordinate.
   */
  function frame(d, n, rank) {
    const rows = Array.from({ length: n }, () => new Float64Array(d));
    const estimate = new Float64Array(rank);
    return (random, out) => {
      rows.forEach((row, k) => {
        for (let i = 0; i < d; i += 1) row[i] = random.normal();
        orthonormalise(rows, k);
        orthonormalise(rows, k);
      });
      estimate.fill(0);
      out.overlap = 0;
      for (const row of rows) {
        out.overlap += (d * row[0] * row[0]) / n;
        for (let i = 0; i < rank; i += 1) estimate[i] += (d * row[0] * row[i]) / n;
      }
      out.length = estimate.reduce((sum, value) => sum + value * value, 0);
    };
  }

  /** Make row k of orthonormal rows orthogonal to those before it, and of length 1. */
  function orthonormalise(rows, k) {
    const row = rows[k];
    for (let j = 0; j < k; j += 1) {
      const overlap = dot(rows[j], row);
      for (let i = 0; i < row.length; i += 1) row[i] -= overlap * rows[j][i];
    }
    const length = Math.sqrt(dot(row, row));
    for (let i = 0; i < row.length; i += 1) row[i] /= length;
  }

  function dot(one, other) {
    let sum = 0;
    for (let i = 0; i < one.length; i += 1) sum += one[i] * other[i];
    return sum;
  }

  /** Write the lower triangle L with L Lᵀ = `matrix`. */
  function cholesky(matrix, lower, n) {
    lower.fill(0);
    for (let i = 0; i < n; i += 1) {
      for (let j = 0; j <= i; j += 1) {
        let rest = matrix[i * n + j];
        for (let k = 0; k < j; k += 1) rest -= lower[i * n + k] * lower[j * n + k];
        lower[i * n + j] = i === j ? Math.sqrt(rest) : rest / lower[j * n + j];
      }
    }
  }

  /** Replace every column x of a matrix by L⁻¹x. */
  function solveColumns(lower, matrix, n) {
    for (let column = 0; column < n; column += 1) {
      for (let i = 0; i < n; i += 1) {
        let rest = matrix[i * n + column];
        for (let k = 0; k < i; k += 1) rest -= lower[i * n + k] * matrix[k * n + column];
        matrix[i * n + column] = rest / lower[i * n + i];
      }
    }
  }

  function transpose(matrix, n) {
    for (let i = 0; i < n; i += 1) {
      for (let j = 0; j < i; j += 1) {
        const kept = matrix[i * n + j];
        matrix[i * n + j] = matrix[j * n + i];
        matrix[j * n + i] = kept;
      }
    }
  }

  /** The unit gradient of the claims, g_i ∝ 1/√i for i ≤ r: unequal coordinates, so that mixing them up shows. */
  function unitGradient(rank) {
    const g = new Float64Array(rank);
    let square = 0;
    for (let i = 0; i < rank; i += 1) square += 1 / (i + 1);
    for (let i = 0; i < rank; i += 1) g[i] = 1 / Math.sqrt((i + 1) * square);
    return g;
  }

  const FACES = [Math.sqrt(3), -Math.sqrt(3), 0, 0, 0, 0];
  const COORDINATES = {
    rademacher: (random) => random.sign(),
    uniform: (random) => (2 * random.uniform() - 1) * Math.sqrt(3),
    "three-point": (random) => FACES[random.below(6)],
  };

  /** Directions drawn coordinate by coordinate; of those beyond r, on which nothing depends, none is drawn. */
  function directions(law, d, n, rank) {
    const g = unitGradient(rank);
    const z = new Float64Array(rank);
    const estimate = new Float64Array(rank);
    const coordinate = COORDINATES[law];

    /** Put one direction into `z`; for the law "coordinate" that is ±√d·e_i. */
    function fill(random) {
      if (law === "coordinate") {
        const place = random.below(d);
        z.fill(0);
        if (place < rank) z[place] = random.sign() * Math.sqrt(d);
        return;
      }
      for (let i = 0; i < rank; i += 1) z[i] = coordinate(random);
    }

    return (random, out) => {
      estimate.fill(0);
      let overlap = 0;
      for (let k = 0; k < n; k += 1) {
        fill(random);
        let slope = 0;
        for (let i = 0; i < rank; i += 1) slope += z[i] * g[i];
        for (let i = 0; i < rank; i += 1) estimate[i] += slope * z[i];
        overlap += slope * slope;
      }
      let length = 0;
      for (let i = 0; i < rank; i += 1) length += estimate[i] * estimate[i];
      out.length = length / (n * n);
      out.overlap = overlap / n;
    };
  }

  /**
   * Low-rank directions vec(UVᵀ)/√k with Gaussian U (p, k) and V (q, k): out.length is the mean of ‖ĝ‖² over a gradient
   * along each coordinate in turn, Σ_ij (z_iᵀz_j)²/(n²d). The Gram matrix of the z's sums the k×k blocks of the product,
   * entry by entry, of the Gram matrices of all columns of U and of all of V.
   */
  function lowRank({ p, q, k, n }) {
    const columns = n * k;
    const left = new Float64Array(columns * columns);
    const right = new Float64Array(columns * columns);
    const lower = new Float64Array(columns * columns);
    return (random, out) => {
      wishart(random, left, lower, columns, p);
      wishart(random, right, lower, columns, q);
      let sum = 0;
      for (let i = 0; i < n; i += 1) {
        for (let j = 0; j < n; j += 1) {
          let product = 0;
          for (let a = i * k; a < (i + 1) * k; a += 1) {
            for (let b = j * k; b < (j + 1) * k; b += 1) product += left[a * columns + b] * right[a * columns + b];
          }
          sum += (product / k) ** 2;
        }
      }
      out.length = sum / (n * n * p * q);
      out.overlap = NaN; // a mean over gradients has none
    };
  }

  return { of, lowRank };
})();
