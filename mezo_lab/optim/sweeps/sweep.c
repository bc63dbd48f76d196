/* θ ← decay·source + Σ_j scale_j·z_j, in place, in one pass over the weights: the noise of `mezo_lab.optim.noise` in C.

   Integer operations, and float operations of IEEE 754 that are rounded one by one: compiled without contraction, every
   machine gets the same bits. The loops have no branches and no calls, so that the compiler fills its vector registers.

   A parameter is cut into units, which the threads share, and a unit into tiles. All sweeps of a call go over one tile,
   which lies in the nearest cache, before the next is taken; a z that several of them need is drawn once. */

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#define THREAD omp_get_thread_num()
const int mezo_threaded = 1;   /* for the doctor */
#else
#define THREAD 0
const int mezo_threaded = 0;
#endif

#if FLT_EVAL_METHOD != 0
#error "float operations must be rounded to float"
#endif

enum { GAUSSIAN, RADEMACHER, UNIFORM, THREE_POINT, LOW_RANK };
enum { FLOAT32, FLOAT64, BFLOAT16, FLOAT16 };

enum {
  SIGNS = 64,                  /* coordinates of a block of packed signs */
  TILE = 2048,                 /* coordinates */
  RUNS = 4,                    /* of neighbours in one tile, at most */
  SLOTS = 8,                   /* z of a tile that are kept */
  UNIT = 1 << 16               /* coordinates; known to native.py */
};

typedef struct {
  void *target;
  const void *source;          /* the target itself, except in an exact mode */
  int64_t numel;
  uint64_t key;                /* of the tensor */
  int32_t target_dtype, source_dtype;
  int32_t law;
  int32_t group;
  int64_t first_unit;          /* of those of all parameters */
  int64_t columns;             /* of a LOW_RANK matrix, */
  int64_t rank;                /* k, which is 0 for other laws, */
  const float *const *factors; /* and for each stream U/√k (k, rows) and then V (k, columns) */
} Parameter;

typedef struct {
  uint32_t step, probe;
} Stream;

typedef struct {
  int32_t first_term, last_term;
} Sweep;

typedef struct {
  uint32_t low, high;
} Words;

/* ---- words: Threefry2x32-20, Salmon et al. 2011; see noise/threefry.py ---- */

static inline uint32_t rotated(uint32_t x, int places) { return x << places | x >> (32 - places); }

static inline Words threefry(Words key, Words counter) {
  static const int ROTATIONS[8] = {13, 15, 26, 6, 17, 29, 16, 24};
  const uint32_t schedule[3] = {key.low, key.high, key.low ^ key.high ^ 0x1BD11BDA};
  uint32_t x0 = counter.low + key.low;
  uint32_t x1 = counter.high + key.high;
#pragma GCC unroll 20
  for (int i = 0; i < 20; i++) {
    x0 += x1;
    x1 = rotated(x1, ROTATIONS[i % 8]) ^ x0;
    if (i % 4 == 3) {
      int j = i / 4 + 1;
      x0 += schedule[j % 3];
      x1 += schedule[(j + 1) % 3] + j;
    }
  }
  return (Words){x0, x1};
}

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

static Words halves(uint64_t number) { return (Words){(uint32_t)number, (uint32_t)(number >> 32)}; }

/* ---- coordinates of z; see noise/coordinates.py ---- */

static inline uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits;
}

static inline float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

/* log x for normal x > 0, to 2e-8: x = 2^e·m with m in [√½, √2), and log m = f − f²/2 + f³P(f) with f = m − 1 */
static inline float logarithm(float x) {
  const uint32_t root_half = 0x3F3504F3;
  uint32_t shifted = bits_of(x) - root_half;
  float e = (float)((int32_t)shifted >> 23);
  float f = float_of((shifted & 0x007FFFFF) + root_half) - 1;
  float p = -0.0790274366736412f;
  p = p * f + 0.12622319161891937f;
  p = p * f + -0.12998183071613312f;
  p = p * f + 0.14214496314525604f;
  p = p * f + -0.166412815451622f;
  p = p * f + 0.20001044869422913f;
  p = p * f + -0.25000306963920593f;
  p = p * f + 0.3333333134651184f;
  float square = f * f;
  return e * 0.6931471805599453f + (square * (f * p - 0.5f) + f);
}

/* Box and Muller: two normals from one word, which gives the angle and, multiplied, a sign and the radius */
static inline void normal_pair(uint32_t word, float *restrict one, float *restrict other) {
  uint32_t turned = word * 2891336453u;
  float uniform = ((float)(int32_t)(turned & 0x7FFFFFFF) + 0.5f) * 0x1p-31f;
  float radius = sqrtf(-2 * logarithm(uniform));
  radius = float_of(bits_of(radius) ^ (turned & 0x80000000));
  float t = (float)(int32_t)word * 0x1p-32f;
  float square = t * t;
  float cosine = square * -0.0243959321f + 0.2349370686f;
  cosine = cosine * square + -1.3352119494f;
  cosine = cosine * square + 4.0587091548f;
  cosine = cosine * square + -4.9348021369f;
  cosine = cosine * square + 0.9999999998f;
  float sine = square * -0.0070283039f + 0.0820503502f;
  sine = sine * square + -0.5992521865f;
  sine = sine * square + 2.5501633179f;
  sine = sine * square + -5.1677127646f;
  sine = sine * square + 3.1415926535f;
  *one = radius * cosine;
  *other = radius * (t * sine);
}

static inline float interval(uint32_t word) { return (float)(int32_t)word * (float)(3.4641016151377544 * 0x1p-32); }

static inline float three_points(uint32_t word) { /* a sixth of all words on either side */
  const int32_t face = 1431655765;
  int32_t w = (int32_t)word;
  return (float)((w >= face) - (w < -face)) * (float)1.7320508075688772;
}

static int per_block(int law) {
  static const int COORDINATES[] = {4, SIGNS, 2, 2, 1};
  return COORDINATES[law];
}

/* z of a tile: lane by lane, z[lane·blocks + block]; or the words of packed signs */
typedef union {
  float z[TILE];
  uint32_t words[TILE];
} Coordinates;

/* The coordinates of `count` blocks from `first` on. */
static void draw(int law, Words key, uint32_t first, int count, Coordinates *out) {
  float *restrict z = out->z;
  uint32_t *restrict words = out->words;
  switch (law) {
  case GAUSSIAN:
    for (int i = 0; i < count; i++) {
      Words w = threefry(key, (Words){first + i, 0});
      normal_pair(w.low, &z[i], &z[count + i]);
      normal_pair(w.high, &z[2 * count + i], &z[3 * count + i]);
    }
    return;
  case RADEMACHER:
    for (int i = 0; i < count; i++) {
      Words w = threefry(key, (Words){first + i, 0});
      words[2 * i] = w.low;
      words[2 * i + 1] = w.high;
    }
    return;
  case UNIFORM:
    for (int i = 0; i < count; i++) {
      Words w = threefry(key, (Words){first + i, 0});
      z[i] = interval(w.low);
      z[count + i] = interval(w.high);
    }
    return;
  case THREE_POINT:
    for (int i = 0; i < count; i++) {
      Words w = threefry(key, (Words){first + i, 0});
      z[i] = three_points(w.low);
      z[count + i] = three_points(w.high);
    }
  }
}

/* ---- out ← decay·in + scale·z, in the precision in which the sum is made ---- */

static inline float flipped_float(float x, uint32_t sign) { return float_of(bits_of(x) ^ sign); }

static inline double flipped_double(double x, uint32_t sign) {
  uint64_t bits;
  memcpy(&bits, &x, 8);
  bits ^= (uint64_t)sign << 32;
  memcpy(&x, &bits, 8);
  return x;
}

#define DEFINE_SUMS(real)                                                                                              \
  static void scale_##real(real *out, const real *in, real decay, int count) {                                         \
    _Pragma("GCC ivdep") for (int i = 0; i < count; i++) out[i] = decay * in[i];                                       \
  }                                                                                                                    \
  static void add_##real(real *out, const real *in, const float *z, real decay, real scale, int count) {               \
    _Pragma("GCC ivdep") for (int i = 0; i < count; i++) out[i] = decay * in[i] + scale * (real)z[i];                  \
  }                                                                                                                    \
  static void add_word_##real(real *out, const real *in, uint32_t word, real decay, real scale, int count) {           \
    _Pragma("GCC ivdep") for (int i = 0; i < count; i++) {                                                             \
      out[i] = decay * in[i] + flipped_##real(scale, word << (31 - i) & 0x80000000);                                   \
    }                                                                                                                  \
  }                                                                                                                    \
  static void add_signs_##real(real *out, const real *in, const uint32_t *words, real decay, real scale, int count) {  \
    int word = 0;                                                                                                      \
    for (; 32 * (word + 1) <= count; word++) {                                                                         \
      add_word_##real(out + 32 * word, in + 32 * word, words[word], decay, scale, 32);                                 \
    }                                                                                                                  \
    if (count % 32) {                                                                                                  \
      add_word_##real(out + 32 * word, in + 32 * word, words[word], decay, scale, count % 32);                         \
    }                                                                                                                  \
  }

DEFINE_SUMS(float)
DEFINE_SUMS(double)

/* ---- half precision: read exactly, written to the nearest, ties to even ---- */

static inline float of_bfloat16(uint16_t half) { return float_of((uint32_t)half << 16); }

static inline uint16_t to_bfloat16(float x) {
  uint32_t bits = bits_of(x);
  uint32_t nearest = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
  return (uint16_t)(x != x ? 0x7FC0 : nearest);
}

static inline float of_float16(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000) << 16;
  uint32_t bits = (uint32_t)(half & 0x7FFF) << 13;
  float normal = float_of(bits + 0x38000000);              /* from the bias 15 to the bias 127 */
  float small = float_of(bits + 0x38800000) - 0x1p-14f;    /* a subnormal half is a normal float */
  float finite = bits < 0x00800000 ? small : normal;
  uint32_t special = bits | 0x7F800000;                    /* infinity, and what is no number */
  return float_of(sign | (bits >= 0x0F800000 ? special : bits_of(finite)));
}

static inline uint16_t to_float16(float x) {
  uint32_t sign = bits_of(x) >> 16 & 0x8000;
  uint32_t bits = bits_of(x) & 0x7FFFFFFF;
  uint32_t normal = (bits + 0x0FFF + (bits >> 13 & 1) - 0x38000000) >> 13;
  uint32_t small = bits_of(float_of(bits) + 0.5f) - 0x3F000000; /* ½ has the spacing of subnormal numbers */
  uint32_t large = bits > 0x7F800000 ? 0x7E00 : 0x7C00;
  uint32_t half = bits < 0x38800000 ? small : normal;
  return (uint16_t)(sign | (bits >= 0x477FF000 ? large : half));
}

static void read_half(float *out, const void *source, int dtype, int64_t start, int count) {
  const uint16_t *in = (const uint16_t *)source + start;
  if (dtype == BFLOAT16) {
    for (int i = 0; i < count; i++) out[i] = of_bfloat16(in[i]);
  } else {
    for (int i = 0; i < count; i++) out[i] = of_float16(in[i]);
  }
}

static void write_half(void *target, const float *in, int dtype, int64_t start, int count) {
  uint16_t *out = (uint16_t *)target + start;
  if (dtype == BFLOAT16) {
    for (int i = 0; i < count; i++) out[i] = to_bfloat16(in[i]);
  } else {
    for (int i = 0; i < count; i++) out[i] = to_float16(in[i]);
  }
}

/* ---- tiles ---- */

typedef struct {
  int groups;
  const Sweep *sweeps;
  int64_t sweep_count;
  const int32_t *terms;        /* (terms): the stream of each */
  const double *scales;        /* (terms, groups) */
  const double *decays;        /* (sweeps, groups) */
} Program;

typedef struct {
  int64_t owner[SLOTS];        /* the stream whose z of this tile a slot holds, or −1 */
  Coordinates z[SLOTS];
} Slots;

typedef struct {
  const Parameter *parameter;
  const Words *keys;           /* of its streams */
  Slots *slots;
  int64_t first;               /* block */
  int blocks;
  int runs;                    /* of neighbours in memory, one for each lane */
  int length;                  /* of a run */
  int64_t start, stride;       /* the first coordinate of the first run, and from one run to the next */
} Tile;

/* z_i = Σ_a u_a·v_a, term by term */
static void draw_low_rank(const Parameter *parameter, int64_t stream, int64_t first, int count, float *restrict z) {
  int64_t columns = parameter->columns;
  int64_t rows = parameter->numel / columns;
  const float *u = parameter->factors[stream];
  const float *v = u + parameter->rank * rows;
  while (count) {
    int64_t row = first / columns;
    int64_t column = first % columns;
    int length = (int)(columns - column < count ? columns - column : count); /* to the end of the row */
    for (int i = 0; i < length; i++) z[i] = u[row] * v[column + i];
    for (int64_t a = 1; a < parameter->rank; a++) {
      float factor = u[a * rows + row];
      const float *others = v + a * columns + column;
      for (int i = 0; i < length; i++) z[i] = z[i] + factor * others[i];
    }
    first += length;
    count -= length;
    z += length;
  }
}

static const Coordinates *slot_of(const Tile *tile, int64_t stream) {
  Slots *slots = tile->slots;
  int slot = (int)(stream % SLOTS);
  if (slots->owner[slot] != stream) {
    slots->owner[slot] = stream;
    if (tile->parameter->law == LOW_RANK) {
      draw_low_rank(tile->parameter, stream, tile->first, tile->blocks, slots->z[slot].z);
    } else {
      draw(tile->parameter->law, tile->keys[stream], (uint32_t)tile->first, tile->blocks, &slots->z[slot]);
    }
  }
  return &slots->z[slot];
}

#define DEFINE_SWEEP(real)                                                                                             \
  /* θ + scale·u·vᵀ over a tile of a matrix, row by row: z of rank one is made again sooner than it is read */         \
  static void add_outer_##real(const Tile *tile, int64_t stream, real *out, const real *in, real decay, real scale) {  \
    const Parameter *parameter = tile->parameter;                                                                      \
    int64_t columns = parameter->columns;                                                                              \
    const float *u = parameter->factors[stream];                                                                       \
    const float *v = u + parameter->numel / columns;                                                                   \
    int64_t first = tile->first;                                                                                       \
    int count = tile->length;                                                                                          \
    while (count) {                                                                                                    \
      int64_t column = first % columns;                                                                                \
      int length = (int)(columns - column < count ? columns - column : count); /* to the end of the row */             \
      float factor = u[first / columns];                                                                               \
      const float *others = v + column;                                                                                \
      _Pragma("GCC ivdep") for (int i = 0; i < length; i++) {                                                          \
        out[i] = decay * in[i] + scale * (real)(factor * others[i]);                                                   \
      }                                                                                                                \
      first += length;                                                                                                 \
      count -= length;                                                                                                 \
      out += length;                                                                                                   \
      in += length;                                                                                                    \
    }                                                                                                                  \
  }                                                                                                                    \
  /* One sweep over the runs of a tile. Args: out, in: where each run is written and read. */                          \
  static void sweep_runs_##real(const Program *program, int64_t number, const Tile *tile, real *const *out,            \
                                const real *const *in) {                                                               \
    int group = tile->parameter->group;                                                                                \
    const Sweep *sweep = &program->sweeps[number];                                                                     \
    real decay = (real)program->decays[number * program->groups + group];                                              \
    if (sweep->first_term == sweep->last_term) {                                                                       \
      for (int run = 0; run < tile->runs; run++) scale_##real(out[run], in[run], decay, tile->length);                 \
    }                                                                                                                  \
    for (int64_t term = sweep->first_term; term < sweep->last_term; term++) {                                          \
      int64_t stream = program->terms[term];                                                                           \
      real scale = (real)program->scales[term * program->groups + group];                                              \
      const Coordinates *drawn = tile->parameter->rank == 1 ? NULL : slot_of(tile, stream);                            \
      for (int run = 0; run < tile->runs; run++) {                                                                     \
        if (!drawn) {                                                                                                  \
          add_outer_##real(tile, stream, out[run], in[run], decay, scale);                                             \
        } else if (tile->parameter->law == RADEMACHER) {                                                               \
          add_signs_##real(out[run], in[run], drawn->words, decay, scale, tile->length);                               \
        } else {                                                                                                       \
          add_##real(out[run], in[run], drawn->z + run * tile->blocks, decay, scale, tile->length);                    \
        }                                                                                                              \
      }                                                                                                                \
      in = (const real *const *)out; /* the first term has read the source, and made the decay */                     \
      decay = 1;                                                                                                       \
    }                                                                                                                  \
  }

DEFINE_SWEEP(float)
DEFINE_SWEEP(double)

static void sweep_double(const Program *program, int64_t number, const Tile *tile, const void *source) {
  double *out[RUNS];
  const double *in[RUNS];
  for (int run = 0; run < tile->runs; run++) {
    int64_t start = tile->start + run * tile->stride;
    out[run] = (double *)tile->parameter->target + start;
    in[run] = (const double *)source + start;
  }
  sweep_runs_double(program, number, tile, out, in);
}

/* The sum is made in float32 where it belongs, or, for half precision, in a buffer that is rounded once. */
static void sweep_float(const Program *program, int64_t number, const Tile *tile, const void *source, int dtype) {
  float buffer[TILE];
  float *out[RUNS];
  const float *in[RUNS];
  const Parameter *parameter = tile->parameter;
  for (int run = 0; run < tile->runs; run++) {
    int64_t start = tile->start + run * tile->stride;
    out[run] = buffer + run * tile->length;
    in[run] = out[run];
    if (dtype == FLOAT32) {
      in[run] = (const float *)source + start;
    } else {
      read_half(out[run], source, dtype, start, tile->length);
    }
    if (parameter->target_dtype == FLOAT32) out[run] = (float *)parameter->target + start;
  }
  sweep_runs_float(program, number, tile, out, in);
  for (int run = 0; parameter->target_dtype != FLOAT32 && run < tile->runs; run++) {
    write_half(parameter->target, out[run], parameter->target_dtype, tile->start + run * tile->stride, tile->length);
  }
}

static void sweep_tile(const Program *program, const Tile *tile) {
  const Parameter *parameter = tile->parameter;
  for (int slot = 0; slot < SLOTS; slot++) tile->slots->owner[slot] = -1;
  for (int64_t number = 0; number < program->sweep_count; number++) {
    const void *source = number ? parameter->target : parameter->source;
    if (parameter->target_dtype == FLOAT64) {
      sweep_double(program, number, tile, source);
    } else {
      sweep_float(program, number, tile, source, number ? parameter->target_dtype : parameter->source_dtype);
    }
  }
}

/* ---- units, and the calls from Python ---- */

static void sweep_unit(const Program *program, const Parameter *parameter, int64_t unit, const Words *keys,
                       Slots *slots) {
  int lanes = per_block(parameter->law);
  int packed = parameter->law == RADEMACHER;
  int64_t blocks = parameter->numel / lanes;
  int64_t units = (parameter->numel + UNIT - 1) / UNIT;
  int64_t per_unit = (blocks + units - 1) / units;
  int64_t end = smaller((unit + 1) * per_unit, blocks);
  Tile tile = {.parameter = parameter, .keys = keys, .slots = slots};
  for (tile.first = unit * per_unit; tile.first < end; tile.first += TILE / lanes) {
    tile.blocks = (int)smaller(end - tile.first, TILE / lanes);
    tile.runs = packed ? 1 : lanes;
    tile.length = packed ? tile.blocks * lanes : tile.blocks;
    tile.start = packed ? tile.first * lanes : tile.first;
    tile.stride = blocks;
    sweep_tile(program, &tile);
  }
  int rest = (int)(parameter->numel - blocks * lanes);
  if (unit == units - 1 && rest) { /* the coordinates of the incomplete block that follows the full ones */
    tile.first = blocks;
    tile.blocks = 1;
    tile.runs = packed ? 1 : rest;
    tile.length = packed ? rest : 1;
    tile.start = blocks * lanes;
    tile.stride = 1;
    sweep_tile(program, &tile);
  }
}

static Words stream_key(uint64_t seed, Stream stream, uint64_t tensor) {
  Words instant = threefry(halves(seed), (Words){stream.step, stream.probe});
  return threefry(instant, halves(tensor));
}

/* All sweeps, one after the other, over the units from `first` to `last`.

   *done ← 1 at the end: a caller that an exception interrupts right behind this call then knows that it was made.
   Returns 0; or 1 where memory is lacking, and nothing has moved. */
int mezo_sweeps(uint64_t seed, const Parameter *parameters, int64_t parameter_count, int64_t first, int64_t last,
                const Stream *streams, int64_t stream_count, const Sweep *sweeps, int64_t sweep_count,
                const int32_t *terms, const double *scales, const double *decays, int groups, int threads,
                int32_t *done) {
  const Program program = {groups, sweeps, sweep_count, terms, scales, decays};
  Slots *all_slots = malloc(sizeof(Slots) * threads);
  Words *all_keys = malloc(sizeof(Words) * (stream_count + 1) * threads);
  if (all_slots && all_keys) {
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
      Slots *slots = all_slots + THREAD;
      Words *keys = all_keys + THREAD * (stream_count + 1);
      int64_t place = 0;
      int64_t owner = -1; /* the parameter whose keys these are */
#pragma omp for schedule(dynamic, 1)
      for (int64_t unit = first; unit < last; unit++) {
        while (place && parameters[place].first_unit > unit) place--;
        while (place + 1 < parameter_count && parameters[place + 1].first_unit <= unit) place++;
        if (owner != place) {
          owner = place;
          for (int64_t i = 0; i < stream_count; i++) keys[i] = stream_key(seed, streams[i], parameters[place].key);
        }
        sweep_unit(&program, &parameters[place], unit - parameters[place].first_unit, keys, slots);
      }
    }
    *done = 1;
  }
  free(all_slots);
  free(all_keys);
  return !*done;
}

/* U/√k (k, rows) and then V (k, columns) of a low-rank z: the first k·(rows + columns) coordinates of its stream, which
   hold k of each row and then k of each column. Args: scale: 1/√k. */
void mezo_factors(uint64_t seed, uint32_t step, uint32_t probe, uint64_t tensor, int64_t rows, int64_t columns,
                  int64_t rank, float scale, float *restrict out) {
  Words key = stream_key(seed, (Stream){step, probe}, tensor);
  int lanes = per_block(GAUSSIAN);
  int64_t count = rank * (rows + columns);
  int64_t blocks = count / lanes;
  Coordinates drawn;
  for (int64_t first = 0; first <= blocks; first += TILE / lanes) {
    int whole = (int)smaller(blocks - first, TILE / lanes);
    int last = first + whole == blocks && whole < TILE / lanes; /* the incomplete block that follows the full ones */
    draw(GAUSSIAN, key, (uint32_t)first, whole + last, &drawn);
    for (int lane = 0; lane < lanes; lane++) {
      for (int i = 0; i < whole + last; i++) {
        int64_t place = i < whole ? lane * blocks + first + i : lanes * blocks + lane;
        if (place >= count) break;
        float z = drawn.z[lane * (whole + last) + i];
        int64_t line = place / rank;
        int64_t a = place % rank;
        if (line < rows) {
          out[a * rows + line] = scale * z;
        } else {
          out[rank * rows + a * columns + line - rows] = z;
        }
      }
    }
  }
}

/* z of `count` blocks from `first` on, (lanes, count), or (count, lanes) for the law whose signs are packed. */
void mezo_draw(int law, uint32_t low, uint32_t high, int64_t first, int64_t count, float *restrict out) {
  int lanes = per_block(law);
  Coordinates drawn;
  for (int64_t start = 0; start < count; start += TILE / lanes) {
    int blocks = (int)smaller(count - start, TILE / lanes);
    draw(law, (Words){low, high}, (uint32_t)(first + start), blocks, &drawn);
    if (law == RADEMACHER) {
      memset(out + start * lanes, 0, sizeof(float) * blocks * lanes);
      add_signs_float(out + start * lanes, out + start * lanes, drawn.words, 1, 1, blocks * lanes);
    } else {
      for (int lane = 0; lane < lanes; lane++) {
        memcpy(out + lane * count + start, drawn.z + lane * blocks, 4 * blocks);
      }
    }
  }
}
