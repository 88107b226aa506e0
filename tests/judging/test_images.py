from __future__ import annotations

from pathlib import Path

from grader.judging.images import facts_from_images
from grader.model.base import Message
from grader.model.image import ImageFile, ImageResult, ImageSize
from grader.testing import image_file
from tests.samplelab import container_lab, size

LAB = container_lab()


def built(folder: Path, *sizes: ImageSize, subject: str = "native", program: ImageFile | None = None) -> ImageResult:
    return ImageResult(subject=subject, state="built", image=image_file(folder, subject, *sizes, program=program))


def test_the_program_is_sized_as_it_lies_in_the_image(tmp_path: Path) -> None:
    program = ImageFile(path="/app/moscow-time", size_bytes=4_698_112, sha256="b")
    (fact,) = [f for f in facts_from_images(LAB, [built(tmp_path, program=program)]) if f.metric == "binary_size"]
    assert (fact.id, fact.value, fact.unit) == ("native.binary_size@docker", 4_698_112, "byte")
    assert "/app/moscow-time" in (fact.method or "")


def test_an_image_whose_entry_point_is_no_file_has_no_size_of_a_program(tmp_path: Path) -> None:
    (fact,) = [f for f in facts_from_images(LAB, [built(tmp_path)]) if f.metric == "binary_size"]
    assert (fact.state, fact.reason) == ("not_run", Message(code="image.no-program"))


def test_the_order_of_notions_is_the_labs(tmp_path: Path) -> None:
    sizes = (size("ctr_ls", 1), size("oci_archive", 2), size("docker_images", 3))
    found = [f for f in facts_from_images(LAB, [built(tmp_path, *sizes)]) if f.metric == "image_size"]
    assert [f.notion for f in found] == ["docker_images", "ctr_ls", "oci_archive"]


def test_what_a_tool_printed_is_kept_beside_the_count(tmp_path: Path) -> None:
    printed = ImageSize(notion="ctr_ls", size_bytes=361, method="an index alone", printed="361.0 B")
    (fact,) = [f for f in facts_from_images(LAB, [built(tmp_path, printed)]) if f.metric == "image_size"]
    assert (fact.value, fact.method) == (361, "an index alone, printed as 361.0 B")


def test_a_module_of_another_compiler_makes_an_image_of_another_size(tmp_path: Path) -> None:
    result = built(tmp_path, size("content", 7), subject="wasm")
    assert result.image is not None
    artifact = result.image.artifact.model_copy(update={"comparable": False, "compiler": "Go 1.21.13"})
    other = result.model_copy(update={"image": result.image.model_copy(update={"artifact": artifact})})
    (fact,) = facts_from_images(LAB, [other])
    assert (fact.id, fact.value, fact.comparable, fact.compiler) == ("wasm.image_size@oci", 7, False, "Go 1.21.13")
