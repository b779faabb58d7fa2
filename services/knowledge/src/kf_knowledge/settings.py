"""The knowledge service's settings, read from the environment once at start."""

from typing import Self

from kf_runtime.settings import POSTGRES_URL_REMEDY, PostgresUrl, ServiceSettings
from pydantic import Field, SecretStr, model_validator


class Settings(ServiceSettings):
    """Everything that can be set about the knowledge service."""

    database_url: PostgresUrl = Field(
        description="PostgreSQL with pgvector >= 0.8.4.",
        json_schema_extra={"remedy": POSTGRES_URL_REMEDY},
    )
    kf_knowledge_host: str = Field(
        default="127.0.0.1", description="Address to listen on; 0.0.0.0 in a container."
    )
    kf_knowledge_port: int = Field(default=50051, ge=0, le=65535, description="Port of the gRPC server.")
    embedding_base_url: str = Field(
        default="",
        description="OpenAI-compatible embeddings endpoint; empty: the embedded multilingual-e5-small.",
        json_schema_extra={"remedy": "Use http(s)://host/v1, or leave it empty for the embedded model."},
        pattern=r"^(https?://\S+)?$",
    )
    embedding_api_key: SecretStr = Field(default=SecretStr(""), description="Key of that endpoint.")
    embedding_model: str = Field(default="", description="Model of that endpoint, for example bge-m3.")
    kf_knowledge_embedding_timeout_seconds: float = Field(
        default=10.0, gt=0, le=120, description="How long one request to the embeddings endpoint may take."
    )
    kf_knowledge_dense_share: float = Field(
        default=0.6, ge=0, le=1, description="Weight of meaning against words when both rankings are fused."
    )
    kf_knowledge_answerable_cosine: float = Field(
        default=0.915,
        ge=-1,
        le=3,
        description="Cosine the best passage needs for an answer, its lead over the others added to it.",
    )
    kf_knowledge_drain_seconds: float = Field(
        default=10.0, ge=0, le=300, description="How long calls under way may take after SIGTERM."
    )

    @model_validator(mode="after")
    def _endpoint_has_a_model(self) -> Self:
        if self.embedding_base_url and not self.embedding_model:
            raise ValueError("EMBEDDING_MODEL is not set though EMBEDDING_BASE_URL is: name the model")
        return self
