from mezo_lab.proofs import prove
from mezo_lab.proofs.notation import Scalar, d, n

BATCH_SQ = Scalar("E‖∇L(θ;B)‖²", positive=True)

LAWS_OF_NOTES = ("gaussian", "sphere")


def formula(law, left):
    return next(step.text for step in prove("notes", law).steps if step.text.startswith(f"{left} = "))


def test_the_notes_end_in_their_own_factor_for_the_gaussian():
    assert (prove("notes", "gaussian").derived - (d + n + 1) / n * BATCH_SQ).simplify() == 0


def test_the_same_lines_on_the_sphere_end_in_the_factor_of_the_paper():
    assert (prove("notes", "sphere").derived - (d + n - 1) / n * BATCH_SQ).simplify() == 0


def test_the_notes_and_lemma_2_differ_by_two_over_n():
    difference = prove("notes", "gaussian").derived - prove("notes", "sphere").derived
    assert (difference - 2 / n * BATCH_SQ).simplify() == 0


def test_the_scalar_c_is_found_entry_by_entry():
    assert formula("gaussian", "E[z₁⁴]") == "E[z₁⁴] = 3"
    assert formula("gaussian", "E[‖z‖²z₁z₂]") == "E[‖z‖²z₁z₂] = 0"
    assert formula("gaussian", "c") == "c = d + 2"
    assert formula("sphere", "E[z₁²z₂²]") == "E[z₁²z₂²] = d/(d + 2)"
    assert formula("sphere", "c") == "c = d"


def test_both_sides_of_every_line_are_means_over_the_batch():
    sides = [side for step in prove("notes", "gaussian").steps for side in step.text.split(" = ") if "∇L" in side]
    assert len(sides) > 8
    assert not [side for side in sides if "E" not in side]


def test_the_probes_are_averaged_apart_from_the_examples():
    step = prove("notes", "gaussian").steps[1]
    assert "independent of the examples" in step.sentence
    assert step.text == "E tr(zᵢzᵢᵀ∇L(x₁)∇L(x₂)ᵀzⱼzⱼᵀ) = tr(E[zⱼzⱼᵀzᵢzᵢᵀ]·E[∇L(x₁)∇L(x₂)ᵀ])"


def test_the_matrix_of_one_probe_is_written_out_and_not_only_its_scalar():
    assert formula("gaussian", "E[zzᵀzzᵀ]") == "E[zzᵀzzᵀ] = E[‖z‖²zzᵀ]"
    matrices = {
        law: [step.text for step in prove("notes", law).steps if step.text.endswith("I")] for law in LAWS_OF_NOTES
    }
    assert "E[zzᵀzzᵀ] = (d + 2)·I" in matrices["gaussian"]
    assert "E[zzᵀzzᵀ] = d·I" in matrices["sphere"]


def test_the_lines_come_in_the_order_of_the_notes():
    told = " ".join(step.sentence for step in prove("notes", "gaussian").steps)
    order = [
        "E tr(ĝĝᵀ)",
        "cyclic",
        "i ≠ j",
        "i = j",
        "Off the diagonal",
        "On the diagonal",
        "All n² terms",
        "minibatch",
    ]
    places = [told.index(phrase) for phrase in order]
    assert places == sorted(places)


def test_the_last_line_says_why_notes_and_paper_differ():
    for law in ("gaussian", "sphere"):
        last = prove("notes", law).steps[-1].sentence
        assert "z ~ N(0, I) in the notes (and in the paper's Definition 1 and code)" in last
        assert "the sphere of radius √d in the paper's section 4, said once in a preamble" in last
        assert "no slip on either side" in last
