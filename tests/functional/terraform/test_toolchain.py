"""Finding Terraform and the AWS provider, or saying plainly what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.errors import TerraformMissing
from engine.terraform import release, toolchain
from engine.terraform.mirror import REGISTRIES, add_on_folders, holds_provider, usual_roots

if TYPE_CHECKING:
    from tests.functional.terraform.conftest import Machine


class TestTerraform:
    def test_the_one_on_path(self, machine: Machine) -> None:
        binary = machine.program("terraform", "1.11.4")

        found = machine.prepare()

        assert (found.binary, found.version, found.product) == (binary, "1.11.4", "terraform")

    def test_tofu_where_there_is_no_terraform(self, machine: Machine) -> None:
        machine.program("tofu", "1.11.0", product="OpenTofu")

        assert machine.prepare().product == "tofu"

    def test_tofu_by_another_name_is_known(self, machine: Machine) -> None:
        machine.program("terraform", "1.11.0", product="OpenTofu")

        assert machine.prepare().product == "tofu"

    def test_one_that_is_too_old_is_passed_over(self, machine: Machine) -> None:
        machine.program("terraform", "1.9.8")
        tofu = machine.program("tofu", "1.11.0", product="OpenTofu")

        assert machine.prepare().binary == tofu

    def test_the_projects_own_download_comes_last(self, machine: Machine) -> None:
        machine.program("terraform", "0.15.0")
        machine.program("terraform", release.VERSION, folder=f"engine-home/terraform/{release.VERSION}")

        assert machine.prepare().binary == release.downloaded(machine.home)

    @pytest.mark.parametrize("version", ["1.11.0", "1.11.4", "1.12.0-beta1", "1.99.9"])
    def test_versions_that_do(self, machine: Machine, version: str) -> None:
        machine.program("terraform", version)

        assert machine.prepare().version == version

    @pytest.mark.parametrize("version", ["0.15.5", "1.10.9", "1.11.0-rc1", "2.0.0", "2.1.3", "next"])
    def test_versions_that_do_not(self, machine: Machine, version: str) -> None:
        # GIVEN
        binary = machine.program("terraform", version)

        # WHEN
        with pytest.raises(TerraformMissing) as raised:
            machine.prepare()

        # THEN it is said which one was found, and why it was refused
        assert version in raised.value.details["refused"][str(binary)]
        assert str(binary) in raised.value.message
        assert "provisioner setup" in raised.value.hint

    def test_none_at_all(self, machine: Machine) -> None:
        with pytest.raises(TerraformMissing, match="no terraform or tofu is on PATH"):
            machine.prepare()

    def test_something_else_of_that_name(self, machine: Machine) -> None:
        machine.script("terraform", "echo I make gardens")

        with pytest.raises(TerraformMissing, match="does not answer"):
            machine.prepare()

    def test_one_that_hangs(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(toolchain, "_ANSWER_S", 0.2)
        machine.script("terraform", "while :; do :; done")

        with pytest.raises(TerraformMissing, match="no answer within"):
            machine.prepare()

    def test_one_for_another_machine(self, machine: Machine) -> None:
        # GIVEN a file that the system cannot run
        binary = machine.script("terraform", "")
        binary.write_bytes(b"\x7fELFnonsense")

        with pytest.raises(TerraformMissing, match="does not run"):
            machine.prepare()

    @pytest.mark.parametrize("by", ["setting", "environment"])
    def test_the_named_one_or_none(self, machine: Machine, by: str) -> None:
        # GIVEN a good one on PATH, and a bad one that was asked for
        machine.program("terraform", "1.11.4")
        old = machine.program("terraform", "1.5.7", folder="old")

        # WHEN
        with pytest.raises(TerraformMissing) as raised:
            if by == "setting":
                machine.prepare(str(old))
            else:
                machine.prepare(PROVISIONER_TERRAFORM=str(old))

        # THEN the good one is not used behind the asker's back
        assert "1.5.7" in raised.value.message
        assert "settings" in raised.value.hint

    def test_the_named_one_may_be_a_plain_name(self, machine: Machine) -> None:
        machine.program("terraform", "1.11.4")
        tofu = machine.program("tofu", "1.11.0", product="OpenTofu")

        assert machine.prepare("tofu").binary == tofu

    def test_a_named_one_that_is_absent(self, machine: Machine) -> None:
        with pytest.raises(TerraformMissing, match="it is not there"):
            machine.prepare("/nowhere/terraform")


class TestProvider:
    @pytest.fixture(autouse=True)
    def terraform(self, machine: Machine) -> None:
        machine.program("terraform", "1.11.4")

    @pytest.mark.parametrize(
        "place",
        [
            "alice/.terraform.d/plugins",
            "alice/.local/share/terraform/plugins",
            "share/terraform/plugins",
            "opt/mirror",
            "opt/company/terraform/mirror",
        ],
    )
    def test_a_mirror_is_found(self, machine: Machine, place: str) -> None:
        # GIVEN
        mirror = machine.mirror(place)

        # WHEN
        found = machine.prepare()

        # THEN Terraform is told of it, for that provider alone
        assert found.provider_mirror == mirror
        assert found.cli_config == machine.home / "terraformrc"
        text = found.cli_config.read_text()
        assert f'path    = "{mirror}"' in text
        assert text.count('["hashicorp/aws"]') == 2
        assert "disable_checkpoint = true" in text

    @pytest.mark.parametrize("version", ["4.67.0", "5.99.1", "6.0.0", "5.100.0-beta1"])
    def test_a_version_that_does_not_fit_is_none(self, machine: Machine, version: str) -> None:
        machine.mirror("opt/mirror", version)

        assert machine.prepare().provider_mirror is None

    def test_another_platforms_provider_is_none(self, machine: Machine) -> None:
        machine.mirror("opt/mirror", platform="darwin_arm64")

        assert machine.prepare().provider_mirror is None

    def test_tofu_has_its_own_registrys_folder(self, machine: Machine) -> None:
        machine.program("tofu", "1.11.0", product="OpenTofu")
        machine.mirror("opt/terraforms")
        tofus = machine.mirror("opt/tofus", product="tofu")

        assert machine.prepare("tofu").provider_mirror == tofus

    def test_a_packed_mirror(self, machine: Machine) -> None:
        folder = machine.root / "opt" / "packed" / REGISTRIES["terraform"] / "hashicorp" / "aws"
        folder.mkdir(parents=True)
        (folder / "terraform-provider-aws_5.101.2_linux_amd64.zip").touch()

        assert machine.prepare().provider_mirror == machine.root / "opt" / "packed"
        assert not holds_provider(
            machine.root / "opt" / "packed", product="terraform", platform="linux_arm64"
        )

    def test_the_search_ends(self, machine: Machine) -> None:
        # GIVEN links in a circle, a folder nobody may read, and one far too deep
        (machine.add_ons / "a").mkdir(parents=True)
        (machine.add_ons / "a" / "up").symlink_to(machine.add_ons)
        (machine.add_ons / "gone").symlink_to(machine.add_ons / "nowhere")
        machine.mirror("opt/1/2/3/4")

        # WHEN
        folders = list(add_on_folders([machine.add_ons]))

        # THEN each is looked at once
        assert len(folders) == len(set(folders)) == 5
        assert machine.prepare().provider_mirror is None

    def test_without_a_mirror_the_registry_serves_and_is_remembered(self, machine: Machine) -> None:
        found = machine.prepare()

        assert found.provider_mirror is None
        text = found.cli_config.read_text()
        assert f'plugin_cache_dir   = "{machine.home / "plugin-cache"}"' in text
        assert "direct {}" in text
        assert (machine.home / "plugin-cache").is_dir()

    def test_without_mirror_and_network_set_up_says_so(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # GIVEN
        def unplugged(*args: object, **kwargs: object) -> None:
            raise OSError("Network is unreachable")

        monkeypatch.setattr(toolchain.urllib.request, "urlopen", unplugged)

        # WHEN
        with pytest.raises(TerraformMissing) as raised:
            machine.prepare(download_missing=True)

        # THEN it is said what is missing and how to get it
        assert "hashicorp/aws 5.x, 5.100 or newer" in raised.value.message
        assert "Network is unreachable" in raised.value.message
        assert "terraform providers mirror" in raised.value.hint
        # AND other commands do not ask the network
        machine.prepare()

    def test_what_is_in_the_cache_needs_no_network(
        self, machine: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(toolchain.urllib.request, "urlopen", lambda *_, **__: pytest.fail("asked"))
        machine.mirror("engine-home/plugin-cache")

        assert machine.prepare(download_missing=True).provider_mirror is None

    def test_a_named_mirror_wins(self, machine: Machine) -> None:
        machine.mirror("opt/mirror")
        named = machine.mirror("named")
        machine.file("alice/.terraformrc", "provider_installation {\n  direct {}\n}\n")

        assert machine.prepare(TF_PLUGIN_MIRROR=str(named)).provider_mirror == named

    def test_a_named_mirror_that_holds_nothing_is_an_error(self, machine: Machine) -> None:
        machine.mirror("opt/mirror")

        with pytest.raises(TerraformMissing, match="TF_PLUGIN_MIRROR names"):
            machine.prepare(TF_PLUGIN_MIRROR=str(machine.root / "empty"))

    def test_users_who_say_where_providers_come_from_are_heard(self, machine: Machine) -> None:
        # GIVEN a user's own mirror, and another one
        own = machine.mirror("own")
        machine.mirror("opt/mirror")
        users = machine.file(
            "alice/.terraformrc",
            f'provider_installation {{\n  filesystem_mirror {{\n    path = "{own}"\n  }}\n}}\n',
        )

        # THEN their file is used as it is
        found = machine.prepare()
        assert (found.cli_config, found.provider_mirror) == (users, own)

    def test_the_users_file_may_be_elsewhere(self, machine: Machine) -> None:
        machine.mirror("opt/mirror")
        users = machine.file(
            "etc/tf.tfrc", 'provider_installation {\n  network_mirror {\n    url = "x"\n  }\n}\n'
        )

        assert machine.prepare(TF_CLI_CONFIG_FILE=str(users)).cli_config == users

    def test_other_settings_of_the_user_give_way_to_a_mirror_only(self, machine: Machine) -> None:
        # GIVEN
        users = machine.file("alice/.terraformrc", 'plugin_cache_dir = "/var/cache/plugins"\n')

        # THEN
        assert machine.prepare().cli_config == users
        machine.mirror("opt/mirror")
        assert machine.prepare().cli_config == machine.home / "terraformrc"

    @pytest.mark.parametrize("text", ["", "# provider_installation {\n", "/* provider_installation { } */"])
    def test_a_file_that_says_nothing_does_not_count(self, machine: Machine, text: str) -> None:
        machine.file("alice/.terraformrc", text)

        assert machine.prepare().cli_config == machine.home / "terraformrc"

    def test_our_own_file_is_not_taken_for_the_users(self, machine: Machine) -> None:
        # GIVEN a shell that has our file in its environment, as `provisioner local env` puts it there
        first = machine.prepare()
        mirror = machine.mirror("opt/mirror")

        # THEN a mirror that came since is used
        found = machine.prepare(TF_CLI_CONFIG_FILE=str(first.cli_config))
        assert found.provider_mirror == mirror

    def test_a_file_that_is_named_and_absent_does_not_count(self, machine: Machine) -> None:
        assert machine.prepare(TF_CLI_CONFIG_FILE="/nowhere/rc").cli_config == machine.home / "terraformrc"


def test_usual_roots_on_a_mac() -> None:
    roots = usual_roots({"HOME": "/Users/alice"}, system="darwin")

    assert Path("/Users/alice/Library/Application Support/io.terraform/plugins") in roots


class TestInTheImage:
    """As the Dockerfile sets it up: code, Terraform and mirror are read-only, /tmp is for all else."""

    def test_the_mirror_is_linked_to_and_only_the_home_is_written(self, machine: Machine) -> None:
        # GIVEN
        binary = machine.program("terraform", "1.11.4", folder="image/terraform/bin")
        mirror = machine.mirror("image/terraform/providers")
        machine.file("image/task/engine/__init__.py", "")
        image = machine.root / "image"
        before = tree(image)
        for path in image.rglob("*"):
            path.chmod(path.stat().st_mode & ~0o222)

        # WHEN a cold function looks, and a warm one once more
        environ = {"PROVISIONER_TERRAFORM": str(binary), "TF_PLUGIN_MIRROR": str(mirror)}
        found = machine.prepare(**environ)
        again = machine.prepare(**environ)

        # THEN
        assert again == found
        assert (found.binary, found.provider_mirror) == (binary, mirror)
        configuration = found.cli_config.read_text("utf-8")
        assert found.cli_config.is_relative_to(machine.home)
        assert f'path    = "{mirror}"' in configuration
        assert "plugin_cache_dir" not in configuration, "a cache would hold the provider once more, in /tmp"
        assert tree(image) == before
        assert tree(machine.home) == {"terraformrc"}

    def test_an_image_without_its_provider_says_so_at_once(self, machine: Machine) -> None:
        binary = machine.program("terraform", "1.11.4", folder="image/terraform/bin")
        mirror = machine.mirror("image/terraform/providers", platform="linux_arm64")

        with pytest.raises(TerraformMissing, match="holds no hashicorp/aws"):
            machine.prepare(PROVISIONER_TERRAFORM=str(binary), TF_PLUGIN_MIRROR=str(mirror))


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
