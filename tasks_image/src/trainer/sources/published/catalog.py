"""The public data sets that pipelines read, and a schema for tests: where each file is published, and its checksum."""

from __future__ import annotations

from dataclasses import dataclass

_GITHUB = "https://raw.githubusercontent.com"
_BIKES = f"{_GITHUB}/fmind/mlops-python-package/cc7ba018ee04a74efa7d52167af5e2860c267a89/data"
_HOUSING = f"{_GITHUB}/ageron/handson-ml2/1e2115277b50f6c584cd668fa30e3af309a5b136/datasets/housing"
_TELCO = f"{_GITHUB}/IBM/telco-customer-churn-on-icp4d/d5371f5d83a446ad5673cbcca3b814b926491f8a/data"
_WIKITEXT = f"{_GITHUB}/pytorch/examples/77f55b912142e11fcfdf5b530231fb9c52f181e8/word_language_model/data/wikitext-2"
_GPT2 = "https://openaipublic.blob.core.windows.net/gpt-2/encodings/main"
_COMPOSE = f"{_GITHUB}/compose-spec/compose-spec/170098ba07d9f53c383a41bfd4c5166b0a4529a6/schema"
_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist"


@dataclass(frozen=True)
class DatasetFile:
    """One published file."""

    path: str
    """Below the folder of data sets, such as `bikes/hour.csv`; its first part is the data set's name."""
    sha256: str
    url: str

    @property
    def dataset(self) -> str:
        """The name of the data set that the file belongs to."""
        return self.path.split("/", 1)[0]


DATASETS = (
    DatasetFile(
        "bikes/Readme.txt",
        "6768bbc2563905600fb97873811bfcd6c470c3020acfaa03ae0db09ee218a6c8",
        f"{_BIKES}/Readme.txt",
    ),
    DatasetFile(
        "bikes/hour.csv",
        "e03de4ee4ef4dc376ac6e04bf829673c6269e8eba5c60fa121640fa2f829504f",
        f"{_BIKES}/hour.csv",
    ),
    DatasetFile(
        "bikes/inputs_test.parquet",
        "71198cfa97012d444e402a74eb5f9cfb559c993d632f75e868388111683c244e",
        f"{_BIKES}/inputs_test.parquet",
    ),
    DatasetFile(
        "bikes/inputs_train.parquet",
        "e58b9e78a61725a29a521f0b5e4dbb8b81ec1aac7a6c533521f6bd5e926c87ad",
        f"{_BIKES}/inputs_train.parquet",
    ),
    DatasetFile(
        "bikes/targets_test.parquet",
        "7ad7ebd2cce5919cd349cb9d870d4438b30b31a10a190bafb023684ab6dfcdf6",
        f"{_BIKES}/targets_test.parquet",
    ),
    DatasetFile(
        "bikes/targets_train.parquet",
        "52ca454656a4f88f09bf498098f4188080f0322fd1be67fcf2cdfccbd53ebe41",
        f"{_BIKES}/targets_train.parquet",
    ),
    DatasetFile(
        "california_housing/housing.csv",
        "8a3727f4cf54ac1a327f69b1d5b4db54c5834ea81c6e4efc0d163300022a685e",
        f"{_HOUSING}/housing.csv",
    ),
    DatasetFile(
        "gpt2_tokenizer/merges.txt",
        "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
        f"{_GPT2}/vocab.bpe",
    ),
    DatasetFile(
        "gpt2_tokenizer/vocab.json",
        "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
        f"{_GPT2}/encoder.json",
    ),
    DatasetFile(
        "mnist/t10k-images-idx3-ubyte.gz",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        f"{_MNIST}/t10k-images-idx3-ubyte.gz",
    ),
    DatasetFile(
        "mnist/t10k-labels-idx1-ubyte.gz",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        f"{_MNIST}/t10k-labels-idx1-ubyte.gz",
    ),
    DatasetFile(
        "mnist/train-images-idx3-ubyte.gz",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        f"{_MNIST}/train-images-idx3-ubyte.gz",
    ),
    DatasetFile(
        "mnist/train-labels-idx1-ubyte.gz",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        f"{_MNIST}/train-labels-idx1-ubyte.gz",
    ),
    DatasetFile(
        "schemas/compose-spec.json",
        "1f91e091f16b2dd50ab8860e02bb391d22df553d91c145eacedb1b6eff9c3f0e",
        f"{_COMPOSE}/compose-spec.json",
    ),
    DatasetFile(
        "telco_churn/Telco-Customer-Churn.csv",
        "16320c9c1ec72448db59aa0a26a0b95401046bef5d02fd3aeb906448e3055e91",
        f"{_TELCO}/Telco-Customer-Churn.csv",
    ),
    DatasetFile(
        "wikitext-2/test.txt",
        "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0",
        f"{_WIKITEXT}/test.txt",
    ),
    DatasetFile(
        "wikitext-2/train.txt",
        "9e9fa1ad55b1c2c95b08e37dd8e653f638fac2c6de904b79e813611eefbc985f",
        f"{_WIKITEXT}/train.txt",
    ),
    DatasetFile(
        "wikitext-2/valid.txt",
        "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8",
        f"{_WIKITEXT}/valid.txt",
    ),
)
"""GitHub's addresses name a commit; behind the others the bytes could change, which the checksum would tell."""
