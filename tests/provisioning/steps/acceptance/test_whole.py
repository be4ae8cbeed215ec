import pytest

from provisioning.steps import load
from provisioning.steps.acceptance.given import Given

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_it_runs(ground):
    step = load("acceptance")
    print(await step.probe(ground))
    given = Given(minutes=0.08)
    print(await step.plan(ground, given))
    await step.apply(ground, given, print)
    for c in await step.verify(ground, given): print(c)
    import shutil; shutil.copytree(ground.data_dir/"reports","/tmp/acc_reports",dirs_exist_ok=True)
