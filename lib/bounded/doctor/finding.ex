defmodule Bounded.Doctor.Finding do
  @moduledoc since: "0.1.0"
  @moduledoc """
  A figure that threatens a node's memory. The [guide to the Doctor](doctor.md) has a row for each `id`.

    * `id`: the kind of threat, such as `:mailbox`
    * `severity`: `:critical` when it can take the node down by itself, else `:warning`
    * `figure`: what was measured: bytes, a number of things, or a setting of the kernel, by `id`
    * `summary`: what was found, with its figures
    * `remedy`: what to do
  """

  @typedoc "One finding. The fields are described above."
  @type t :: %__MODULE__{
          id: atom,
          severity: :critical | :warning,
          figure: number,
          summary: String.t(),
          remedy: String.t()
        }

  @enforce_keys [:id, :severity, :figure, :summary, :remedy]
  defstruct @enforce_keys

  @doc false
  # Worst first; of the same severity and kind, the largest.
  def rank(finding), do: {finding.severity != :critical, finding.id, -finding.figure}

  @doc false
  def format(finding) do
    severity = finding.severity |> Atom.to_string() |> String.upcase()
    ["#{severity} #{finding.id}: #{finding.summary}\n", "    #{finding.remedy}\n"]
  end
end
