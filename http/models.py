"""`/v1/models`: what a request's `model` field can name, agents first, then the listed models."""

from greenroom.actors.house import House
from greenroom.http.errors import INVALID_REQUEST, ApiError
from greenroom.http.wire import Model, ModelList


class Catalogue:
    """The models of one house; `created` is when it was opened, in Unix seconds."""

    def __init__(self, house: House, created: int) -> None:
        self._house = house
        self._created = created

    def list(self) -> ModelList:
        """Return all of them."""
        return ModelList(data=tuple(self._all().values()))

    def find(self, id_: str) -> Model:
        """Return one; an agent is found under each of its forms.

        Raises:
            ApiError: 404.
        """
        if self._house.is_agent(id_):
            return _model(id_, self._created, "openclaw")
        found = self._all().get(id_)
        if found is None:
            raise ApiError(
                404,
                INVALID_REQUEST,
                f"The model '{id_}' does not exist",
                param="model",
                code="model_not_found",
            )
        return found

    def _all(self) -> dict[str, Model]:
        house, created = self._house, self._created
        agents = [house.default_agent, *house.agent_ids]
        ids = ["openclaw", "openclaw/default"]
        ids.extend(f"openclaw/{agent}" for agent in dict.fromkeys(agents))
        models = {id_: _model(id_, created, "openclaw") for id_ in ids}
        for model in house.models:
            models.setdefault(model.id, _model(model.id, created, model.provider))
        return models


def _model(id_: str, created: int, owner: str) -> Model:
    return Model(id=id_, created=created, owned_by=owner)
