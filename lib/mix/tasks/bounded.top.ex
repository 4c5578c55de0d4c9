defmodule Mix.Tasks.Bounded.Top do
  @shortdoc "Shows a node's memory, live"
  @moduledoc since: "0.1.0"
  @moduledoc """
  Shows where a node's memory is, and what grows: a table that is drawn anew every two seconds.

      mix bounded.top
      mix bounded.top --node app@host --cookie secret
      mix bounded.top --node rabbit@host --sort memory

  It shows

    * the memory limit (of the control group, or the machine's memory), what of it is in use, and the pressure;
    * memory by kind, each with a bar against the limit;
    * the mode of `Quota.Watchdog`, its line and its last act, if one runs there;
    * quotas by usage, and pools, if the node runs this library;
    * the processes and ETS tables that grow most, in bytes a second.

  Without `--node` it shows the VM that runs Mix, which has only just started.

    * `--node`: the node to show, by its own name. Any Erlang node of OTP 24 or later that can be reached from here will do; it needs
      nothing of this library
    * `--cookie`: the node's cookie; by default that of this user (`~/.erlang.cookie`)
    * `--sort`: `growth` (default), `memory`, `binaries` or `queue` (number of messages)
    * `--interval`: seconds between two frames, 2 by default, from 2 to 3600
    * `--frames`: number of frames, after which it ends. Default: without end in a terminal, 2 elsewhere (growth needs two)

  From OTP 28 on keys sort and quit: `g`, `m`, `b`, `n`, `q`. Earlier, a word and Enter do: `growth`, `memory`, `binaries`, `messages`,
  `quit`. Where the output is no terminal, frames are printed as plain text. `NO_COLOR` turns colours off.

  It takes at most one hundredth of a core of the node, however many processes that has: those that are too many for that take turns,
  and the title says so. The interval grows if need be.

  A release has no Mix tasks: `bin/app rpc "Bounded.Doctor.top()"` prints one frame.
  """

  use Mix.Task

  alias Bounded.Top

  @switches [
    node: :string,
    cookie: :string,
    sort: :string,
    interval: :integer,
    frames: :integer
  ]

  @impl true
  def run(args) do
    {options, rest} = OptionParser.parse!(args, strict: @switches)

    if rest != [],
      do: Mix.raise("mix bounded.top takes options only, got: #{Enum.join(rest, " ")}")

    run_options = [
      sort: sort(options[:sort] || "growth"),
      interval_ms: 1_000 * from_to("--interval", options[:interval] || 2, 2, 3_600),
      frames: options[:frames] && from_to("--frames", options[:frames], 1, 1_000_000)
    ]

    Mix.Task.run("app.config")

    node =
      if name = options[:node], do: Mix.Bounded.connect!(name, options[:cookie]), else: node()

    Mix.Bounded.asking(node, fn -> Top.run(node, run_options) end)
  end

  defp sort(name) do
    sorts = Top.Tables.sorts()

    Enum.find(sorts, &(Atom.to_string(&1) == name)) ||
      Mix.raise("--sort is one of #{Enum.join(sorts, ", ")}, got: #{name}")
  end

  defp from_to(_option, number, least, most) when number >= least and number <= most,
    do: number

  defp from_to(option, number, least, most),
    do: Mix.raise("#{option} is a number from #{least} to #{most}, got: #{number}")
end
