defmodule Bounded.Top do
  @moduledoc false
  # A table of a node's memory that is drawn again and again: `mix bounded.top`. `Bounded.Doctor.top/1` draws it once.
  #
  # One process reads the figures, which may wait for a busy process or a slow network. This one draws and answers keys meanwhile.

  alias Bounded.Facts.{Live, Probe}
  alias Bounded.Top.{Tables, Terminal, Text}

  # Between the two looks of a single frame: growth needs both.
  @once_ms 1_000

  @doc "One frame as text, without colours or a terminal."
  def frame(node) do
    {_first, live} = node |> Live.new(@once_ms) |> Live.look()
    Process.sleep(@once_ms)
    {sample, _live} = Live.look(live)
    lines = Text.lines(sample, colour: false, width: 100, height: nil, sort: hd(Tables.sorts()))
    Enum.map(lines, &[&1, ?\n])
  end

  @doc """
  Draws until a key or a word ends it, or `:frames` are drawn.

    * `:interval_ms`: time between two looks
    * `:frames`: a number, or nil: without end in a terminal, two elsewhere
    * `:sort`: one of `Tables.sorts/0`
  """
  def run(node, opts) do
    live = Live.new(node, opts[:interval_ms])
    owner = self()
    {:ok, sampler} = Task.start_link(fn -> sample(live, owner) end)
    terminal = Terminal.open(owner)

    state = %{
      node: node,
      sampler: sampler,
      terminal: terminal,
      sort: opts[:sort],
      frames: opts[:frames] || if(terminal.screen, do: :infinity, else: 2),
      sample: nil
    }

    try do
      loop(state)
    after
      Terminal.close(terminal)
      Process.unlink(sampler)
      Process.exit(sampler, :kill)
    end
  end

  defp sample(live, owner) do
    with {:ok, live} <- look(live, owner) do
      Process.sleep(Live.pause_ms(live))
      sample(live, owner)
    end
  end

  # That the node is lost is raised by `run/2`, which has the terminal to restore.
  defp look(live, owner) do
    {sample, live} = Live.look(live)
    send(owner, {:sample, sample})
    {:ok, live}
  rescue
    error in ErlangError ->
      if Probe.lost?(error),
        do: send(owner, {:lost, error}),
        else: reraise(error, __STACKTRACE__)
  end

  defp loop(%{frames: 0}), do: :ok

  defp loop(state) do
    receive do
      {:sample, sample} ->
        state = %{state | sample: sample, frames: less(state.frames)}
        draw(state)
        loop(state)

      {:lost, error} ->
        raise error

      {:input, :eof} ->
        # Nothing more can be typed. The frames are drawn all the same.
        loop(state)

      {:input, text} ->
        case command(text) do
          :quit -> :ok
          {:sort, sort} -> loop(drawn(%{state | sort: sort}))
          nil -> loop(drawn(state))
        end
    end
  end

  defp less(:infinity), do: :infinity
  defp less(frames), do: frames - 1

  defp drawn(%{sample: nil} = state), do: state

  defp drawn(state) do
    draw(state)
    state
  end

  defp draw(%{sample: sample, terminal: terminal, sort: sort}) do
    {width, height} = Terminal.size(terminal)
    opts = [colour: terminal.colour, width: width, sort: sort]

    if terminal.screen do
      # Two lines for help.
      lines = Text.lines(sample, [height: height - 2] ++ opts)
      Terminal.draw(terminal, lines, help(terminal), height)
    else
      Terminal.print(Text.lines(sample, [height: nil] ++ opts))
    end
  end

  # A key in a raw terminal, or a word: its first letter says which.
  defp command(text) do
    case text |> String.trim() |> String.downcase() do
      "g" <> _ ->
        {:sort, :growth}

      "m" <> rest ->
        if String.starts_with?(rest, "es"), do: {:sort, :queue}, else: {:sort, :memory}

      "b" <> _ ->
        {:sort, :binaries}

      "n" <> _ ->
        {:sort, :queue}

      "q" <> _ ->
        :quit

      # Ctrl-C and Ctrl-D, which a raw terminal passes on.
      control when control in [<<3>>, <<4>>] ->
        :quit

      _ ->
        nil
    end
  end

  defp help(%{raw: true}),
    do: "sort by: g growth  m memory  b binaries  n number of messages    q quit"

  defp help(_), do: "type growth, memory, binaries, messages or quit, and Enter"
end
