"""Which files are train, dev and test is found by their names, and each file that is left out is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from laws import each
from minbert.errors import UserError
from minbert.schema_inference.finding_files import FoundFiles, find_files
from minbert.schema_inference.split_names import SplitName, read_name, split_of_folder


def found(folder: Path, names: str) -> FoundFiles:
    """Return what is found in a new folder ``hub`` that holds empty files of these names."""
    hub = folder / str(len(list(folder.iterdir()))) / "hub"
    for name in names.split():
        path = hub / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return find_files([hub])


def splits(names: FoundFiles) -> dict[str, str]:
    """Return each task's train, dev and test file, ``-`` where there is none."""
    return {
        task.name: " ".join(task.files.get(split, "-") for split in ("train", "dev", "test")) for task in names.tasks
    }


@each(
    ("names", "task", "files"),
    [
        ("trn.csv val.csv tst.csv", "hub", "trn.csv val.csv tst.csv"),
        ("trainset.csv devset.csv testset.csv", "hub", "trainset.csv devset.csv testset.csv"),
        ("a_traindata.csv a_valdata.csv a_testdata.csv", "a", "a_traindata.csv a_valdata.csv a_testdata.csv"),
        ("training.csv validate.csv testing.csv", "hub", "training.csv validate.csv testing.csv"),
        ("TrainingData.csv DevData.csv TestData.csv", "hub", "TrainingData.csv DevData.csv TestData.csv"),
        # eval is dev, but test where a dev file stands there and no test file
        ("train.csv eval.csv", "hub", "train.csv eval.csv -"),
        ("train.csv eval.csv test.csv", "hub", "train.csv eval.csv test.csv"),
        ("train.csv evaluation.csv", "hub", "train.csv evaluation.csv -"),
        ("train.csv dev.csv evaluation.csv", "hub", "train.csv dev.csv evaluation.csv"),
        ("a_train.csv a_validation.csv a_holdout.csv", "a", "a_train.csv a_validation.csv a_holdout.csv"),
        ("train.csv held_out.csv test.csv", "hub", "train.csv held_out.csv test.csv"),
        ("train.csv held-out.csv", "hub", "train.csv held-out.csv -"),
        ("SICK_train.tsv SICK_trial.tsv SICK_test_a.tsv", "SICK", "SICK_train.tsv SICK_trial.tsv SICK_test_a.tsv"),
        ("train.csv trial.csv eval.csv", "hub", "train.csv trial.csv eval.csv"),
        # within camel case and beside digits
        ("drugsComTrain_raw.tsv drugsComTest_raw.tsv", "drugsCom", "drugsComTrain_raw.tsv - drugsComTest_raw.tsv"),
        ("reviewsTrain.csv reviewsDev.csv", "reviews", "reviewsTrain.csv reviewsDev.csv -"),
        ("NLITrain.csv NLITestSet.csv", "NLI", "NLITrain.csv - NLITestSet.csv"),
        ("2016train.csv 2016dev.csv 2016test.csv", "hub", "2016train.csv 2016dev.csv 2016test.csv"),
        ("t-2016train-A.tsv t-2016test-A.tsv", "t-2016", "t-2016train-A.tsv - t-2016test-A.tsv"),
        # folders
        ("train-set/data.csv dev-set/data.csv", "hub", "train-set/data.csv dev-set/data.csv -"),
        ("train_data/a.csv test_data/a.csv", "a", "train_data/a.csv - test_data/a.csv"),
        ("train/a.csv trial/a.csv evaluation/a.csv", "a", "train/a.csv trial/a.csv evaluation/a.csv"),
        ("train/train.csv dev/dev.csv", "hub", "train/train.csv dev/dev.csv -"),
        # one train file, and files of other names beside it
        ("train_clean.csv dev.csv test.csv", "clean", "train_clean.csv dev.csv test.csv"),
        ("train_3k.csv dev_1k.csv test_1k.csv", "task_3k", "train_3k.csv dev_1k.csv test_1k.csv"),
        ("translated_train.tsv dev_2k.tsv test_2k.tsv", "translated", "translated_train.tsv dev_2k.tsv test_2k.tsv"),
        ("train.csv dev.csv test_labeled.csv", "hub", "train.csv dev.csv test_labeled.csv"),
        ("train.csv trial.csv test-public.csv", "hub", "train.csv trial.csv test-public.csv"),
        ("EI-anger-train.tsv 2018-EI-anger-dev.tsv", "EI-anger", "EI-anger-train.tsv 2018-EI-anger-dev.tsv -"),
        ("training.160.csv testdata.manual.csv", "hub", "training.160.csv - testdata.manual.csv"),
        ("train.csv dev.csv a_test_data.csv", "hub", "train.csv dev.csv a_test_data.csv"),
    ],
)
def test_a_folder_is_one_task_of_these_files(names: str, task: str, files: str, tmp_path: Path) -> None:
    files_found = found(tmp_path, names)
    assert (splits(files_found), files_found.remarks) == ({task: files}, [])


@each(
    ("names", "files", "told"),
    [
        (
            "train.csv trial.csv dev.csv test.csv",
            "train.csv dev.csv test.csv",
            ["trial.csv: left out; dev.csv is taken as the dev file of hub"],
        ),
        (
            "train.csv trial.csv eval.csv test.csv",
            "train.csv eval.csv test.csv",
            ["trial.csv: left out; eval.csv is taken as the dev file of hub"],
        ),
        (
            "train.csv dev.csv eval.csv test.csv",
            "train.csv dev.csv test.csv",
            ["eval.csv: left out; dev.csv is taken as the dev file of hub"],
        ),
        (
            "train.tsv dev_matched.tsv dev_mismatched.tsv test_matched.tsv test_mismatched.tsv",
            "train.tsv dev_matched.tsv test_matched.tsv",
            [
                "dev_mismatched.tsv: left out; dev_matched.tsv is taken as the dev file of hub",
                "test_mismatched.tsv: left out; test_matched.tsv is taken as the test file of hub",
            ],
        ),
        (
            "train-0-of-1.parquet validation_mismatched-0-of-1.parquet validation_matched-0-of-1.parquet",
            "train-0-of-1.parquet validation_matched-0-of-1.parquet -",
            [
                "validation_mismatched-0-of-1.parquet: left out; "
                "validation_matched-0-of-1.parquet is taken as the dev file of hub"
            ],
        ),
        (
            "train.csv test_gold_v2.csv test_gold.csv",
            "train.csv - test_gold.csv",
            ["test_gold_v2.csv: left out; test_gold.csv is taken as the test file of hub"],
        ),
        (
            "train.csv test.csv a_test.csv",
            "train.csv - test.csv",
            ["a_test.csv: left out; test.csv is taken as the test file of hub"],
        ),
        (
            "hub-train.csv hub-dev-large.csv dev_a.csv",
            "hub-train.csv hub-dev-large.csv -",
            ["dev_a.csv: left out; hub-dev-large.csv is taken as the dev file of hub"],
        ),
        (
            "train.csv dev_a.csv eval.csv test.csv",
            "train.csv dev_a.csv test.csv",
            ["eval.csv: left out; dev_a.csv is taken as the dev file of hub"],
        ),
    ],
)
def test_of_several_the_surest_is_taken_and_the_others_told(
    names: str, files: str, told: list[str], tmp_path: Path
) -> None:
    files_found = found(tmp_path, names)
    assert (splits(files_found), files_found.remarks) == ({"hub": files}, told)


ORDINARY = """
latest contest trainers developers testimonials devices validity trials evaluation trial UnitTest evaluations holdouts
evaluation-of-teachers clinical-trial TrainStations test2016 tests2
"""


def test_a_file_alone_whose_name_holds_such_a_word_is_a_task(tmp_path: Path) -> None:
    for name in ORDINARY.split():
        files_found = found(tmp_path, f"{name}.csv")
        assert (splits(files_found), files_found.remarks) == ({name: f"{name}.csv - -"}, [])


@each(
    ("names", "tasks"),
    [
        ("goemotions_1.csv goemotions_2.csv", {f"goemotions_{n}": f"goemotions_{n}.csv - -" for n in (1, 2)}),
        # these say train, and what else they say is no split
        ("contest-train.csv", {"contest": "contest-train.csv - -"}),
        ("trial-outcomes-train.csv", {"trial-outcomes": "trial-outcomes-train.csv - -"}),
        ("eval-train.csv eval-dev.csv", {"eval_task": "eval-train.csv eval-dev.csv -"}),
        ("testdata-train.csv testdata-dev.csv", {"testdata": "testdata-train.csv testdata-dev.csv -"}),
        # what may be no split stays a task beside a train file of another name
        ("a-train.csv clinical-trial.csv", {"a": "a-train.csv - -", "clinical-trial": "clinical-trial.csv - -"}),
        ("a-train.csv UnitTest.csv", {"a": "a-train.csv - -", "UnitTest": "UnitTest.csv - -"}),
        ("a-train.csv latest.csv", {"a": "a-train.csv - -", "latest": "latest.csv - -"}),
        ("a.csv aTest.csv", {"a": "a.csv - -", "aTest": "aTest.csv - -"}),
        ("train/a.csv train/a-trial.csv", {"a": "train/a.csv - -", "a-trial": "train/a-trial.csv - -"}),
        ("evaluation/train.csv evaluation/dev.csv", {"evaluation": "evaluation/train.csv evaluation/dev.csv -"}),
        # parts that say how many there are
        ("notes-0-of-2.csv notes-1-of-2.csv", {"notes": "notes-0-of-2.csv - -"}),
    ],
)
def test_other_words_keep_their_meaning(names: str, tasks: dict[str, str], tmp_path: Path) -> None:
    files_found = found(tmp_path, names)
    assert (splits(files_found), files_found.remarks) == (tasks, [])


def test_parts_with_a_hash_are_parts_of_one_split(tmp_path: Path) -> None:
    parts = [f"data/train-0000{n}-of-00003-9564e8b05b4757a{n}.parquet" for n in range(3)]
    dev = "data/validation-00000-of-00001-f66c894e39a80922.parquet"
    files_found = found(tmp_path, " ".join([*parts, dev]))
    (task,) = files_found.tasks
    assert (task.name, task.files, task.more_train) == ("hub", {"train": parts[0], "dev": dev}, parts[1:])
    assert files_found.remarks == []


def test_numbered_parts_beside_digits(tmp_path: Path) -> None:
    (task,) = found(tmp_path, "train1.csv train2.csv test.csv").tasks
    assert (task.files, task.more_train) == ({"train": "train1.csv", "test": "test.csv"}, ["train2.csv"])


def test_a_part_goes_on_only_with_its_own_kind(tmp_path: Path) -> None:
    files_found = found(tmp_path, "q-train-0-of-2.csv q-train-1-of-2.csv q-train-extra-0-of-1.csv")
    (task,) = files_found.tasks
    assert (task.files, task.more_train) == ({"train": "q-train-0-of-2.csv"}, ["q-train-1-of-2.csv"])
    assert files_found.remarks == [
        "q-train-extra-0-of-1.csv: left out; q-train-0-of-2.csv is taken as the train file of q; "
        "'also_train_on' takes further training files"
    ]


@each(
    ("names", "tasks", "left"),
    [
        ("a-train.csv b-train.csv dev.csv", {"a": "a-train.csv - -", "b": "b-train.csv - -"}, "dev.csv"),
        ("train.csv notes.csv test_x.csv", {"hub": "train.csv - -", "notes": "notes.csv - -"}, "test_x.csv"),
        ("reviews.csv dev.csv test.csv", {"reviews": "reviews.csv - -"}, "dev.csv, test.csv"),
        ("x/train.csv dev_a.csv", {"x": "x/train.csv - -"}, "dev_a.csv"),
        ("sst-train.csv sst-dev.csv mrpc-test.csv", {"sst": "sst-train.csv sst-dev.csv -"}, "mrpc-test.csv"),
        ("train/a.csv dev/b.csv", {"a": "train/a.csv - -"}, "dev/b.csv"),
        ("train.csv eval/sts.csv", {"hub": "train.csv - -"}, "eval/sts.csv"),
        ("C_Train.csv en_test_with_labels.csv", {"C": "C_Train.csv - -"}, "en_test_with_labels.csv"),
    ],
)
def test_where_it_is_open_whose_a_file_is_it_is_left_out_and_told(
    names: str, tasks: dict[str, str], left: str, tmp_path: Path
) -> None:
    files_found = found(tmp_path, names)
    assert splits(files_found) == tasks
    assert files_found.remarks == [f"{left}: left out; no train file of the same name is there"]


@pytest.mark.parametrize("names", ["test.jsonl", "a-dev.csv a-test.csv", "testset.csv"])
def test_a_folder_without_a_train_file_is_told_what_to_do(names: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused:
        found(tmp_path, names)
    assert (
        f"holds no file to train on. {', '.join(names.split())}: left out; no train file of the same name is there. "
        "Rename the file that is for training, so that its name holds the word train. A task is" in str(refused.value)
    )


@each(
    ("names", "told"),
    [
        ("README readme.md rt.neg rt.pos LICENSE", " rt.neg, rt.pos: not read; rows go in"),
        ("SMSSpamCollection .hidden", " SMSSpamCollection: not read; rows go in"),
        ("a.json b.label", " a.json, b.label: not read; rows go in"),
        ("notes.md", " A task is a file of rows"),
        (
            "bad/1.txt bad/2.txt good/1.txt good/2.txt a.txt",
            " bad/, good/: not read; each seems to hold the texts of a",
        ),
        ("bad/1.txt bad/2.txt bad/3.txt", " bad/1.txt, bad/2.txt, bad/3.txt: not read; rows go in"),
        ("bad/1.txt bad/2.txt good/1.txt", " bad/1.txt, bad/2.txt, good/1.txt: not read; rows go in"),
    ],
)
def test_files_of_unknown_kinds_are_named_in_the_refusal(names: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused:
        found(tmp_path, names)
    assert f"holds no file to train on.{told}" in str(refused.value)


def test_beside_a_table_files_of_unknown_kinds_are_no_matter(tmp_path: Path) -> None:
    assert found(tmp_path, "a.csv notes.label Makefile").remarks == []


@each(
    ("name", "strictly", "loosely"),
    [
        ("quora-train-large", SplitName("quora", "train", "quora large", ""), None),
        ("quora-train-3", SplitName("quora", "train", "quora", "3"), None),
        ("train-00000-of-00002-9564e8b05b4757ab", SplitName("", "train", "", "00000-of-00002"), None),
        ("train_r1-00000-of-00001", SplitName("r1", "train", "r1", "00000-of-00001"), None),
        ("dev_mismatched", SplitName("", "dev", "mismatched", ""), None),
        ("Held Out", SplitName("", "eval", "", ""), None),
        ("aTrain_b", SplitName("aTrain_b", "", "aTrain_b", ""), SplitName("a", "train", "a b", "")),
        ("aHeldOut", SplitName("aHeldOut", "", "aHeldOut", ""), SplitName("a", "eval", "a", "")),
        ("my trial", SplitName("my trial", "", "my trial", ""), SplitName("my", "trial", "my", "")),
        ("trialTrain", SplitName("trialTrain", "", "trialTrain", ""), SplitName("trial", "train", "trial", "")),
        ("contest", SplitName("contest", "", "contest", ""), None),
    ],
)
def test_what_a_name_says(name: str, strictly: SplitName, loosely: SplitName | None) -> None:
    assert read_name(name) == strictly
    assert read_name(name, loosely=True) == (loosely or strictly)


def test_what_a_folder_s_name_says() -> None:
    names = ["Train", "train-set", "test_data", "devset", "trial", "my-train", "training-files", "data"]
    assert [split_of_folder(name) for name in names] == ["train", "train", "test", "dev", "", "", "", ""]
    assert split_of_folder("trial", loosely=True) == "trial"
