defmodule Mix.Tasks.Bounded.Doctor do
  @shortdoc "Finds what threatens a node's memory, and says what to do"
  @moduledoc since: "0.1.0"
  @moduledoc """
  Finds what threatens a node's memory: each finding with its figure and the remedy.

      mix bounded.doctor
      mix bounded.doctor --node app@host --cookie secret
      mix bounded.doctor --node rabbit@host --format json

  Without `--node` it examines the machine, and the VM that runs Mix, which has only just started.

    * `--node`: the node to examine, by its own name. Any Erlang node of OTP 24 or later that can be reached from here will do; it
      needs nothing of this library
    * `--cookie`: the node's cookie; by default that of this user (`~/.erlang.cookie`)
    * `--collect`: run a garbage collection of each process that holds many binaries, to tell garbage from binaries in use
    * `--format`: `text` (default) or `json`

  The exit status is 0 without a critical finding, 2 with one, and 1 if the examination failed.

  A release has no Mix tasks: `bin/app rpc "Bounded.Doctor.report()"`. See `Bounded.Doctor`.
  """

  use Mix.Task

  alias Bounded.Doctor

  @switches [node: :string, cookie: :string, collect: :boolean, format: :string]

  @impl true
  def run(args) do
    {options, rest} = OptionParser.parse!(args, strict: @switches)

    if rest != [],
      do: Mix.raise("mix bounded.doctor takes options only, got: #{Enum.join(rest, " ")}")

    format = format(options[:format] || "text")
    Mix.Task.run("app.config")

    node =
      if name = options[:node], do: Mix.Bounded.connect!(name, options[:cookie]), else: node()

    report =
      Mix.Bounded.asking(node, fn -> Doctor.examine(node, collect: options[:collect] || false) end)

    report |> format.() |> IO.write()

    if Enum.any?(report.findings, &(&1.severity == :critical)), do: exit({:shutdown, 2})
  end

  defp format("text"), do: &Doctor.format/1
  defp format("json"), do: &[Doctor.to_json(&1), ?\n]
  defp format(other), do: Mix.raise("--format is text or json, got: #{other}")
end
