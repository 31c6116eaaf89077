"""A connector for the reference: a service that is a formula. Its latency falls with its cores, and it is not stable with
less than half a core.
"""

import servo

# What the service has now.
state = {"cpu": 2.0, "workers": 4}


class ToyConfiguration(servo.BaseConfiguration):
    @classmethod
    def generate(cls, **kwargs) -> "ToyConfiguration":
        return cls()


@servo.metadata(
    description="A service that is a formula",
    version="1.0.0",
    license=servo.License.apache2,
    maturity=servo.Maturity.experimental,
)
class ToyConnector(servo.BaseConnector):
    config: ToyConfiguration

    @servo.on_event()
    async def metrics(self) -> list[servo.Metric]:
        return [servo.Metric("latency", servo.Unit.milliseconds)]

    @servo.on_event()
    async def components(self) -> list[servo.Component]:
        cpu = servo.RangeSetting(name="cpu", min=0.25, max=4.0, step=0.25, value=state["cpu"])
        workers = servo.RangeSetting(name="workers", min=1, max=16, step=1, value=state["workers"])
        return [servo.Component(name="web", settings=[cpu, workers])]

    @servo.on_event()
    async def describe(self, control: servo.Control = servo.Control()) -> servo.Description:
        return servo.Description(components=await self.components(), metrics=await self.metrics())

    @servo.on_event()
    async def adjust(
        self, adjustments: list[servo.Adjustment], control: servo.Control = servo.Control()
    ) -> servo.Description:
        for adjustment in adjustments:
            if adjustment.setting_name == "cpu" and float(adjustment.value) < 0.5:
                raise servo.AdjustmentRejectedError("out of memory", reason="unstable")
            state[adjustment.setting_name] = float(adjustment.value)
        return await self.describe()

    @servo.on_event()
    async def measure(
        self, *, metrics: list[str] = None, control: servo.Control = servo.Control()
    ) -> servo.Measurement:
        latency = servo.Metric("latency", servo.Unit.milliseconds)
        points = [servo.DataPoint(latency, servo.datetime.datetime.now(), 100 / state["cpu"])]
        return servo.Measurement(readings=points)
