defmodule Bounded.Top.Terminal do
  @moduledoc false
  # The terminal of `mix bounded.top`: whether there is one, its size, its keys, and drawing on its alternate screen.
  #
  # From OTP 28 on it can be raw: each key arrives by itself. Elsewhere a word arrives with Enter. Without a terminal each table is
  # printed below the last.

  # `screen` is nil without a terminal.
  defstruct screen: nil, raw: false, colour: false

  @default {100, 30}
  @alternate "\e[?1049h\e[?25l"
  @normal "\e[?25h\e[?1049l"
  @home "\e[H"
  @erase_line "\e[K"
  @erase_below "\e[J"

  # Linux lists the VM's open files, also where there is no `ps`.
  @size """
  for terminal in /proc/$1/fd/1 /proc/$1/fd/0 /dev/$(ps -o tty= -p $1 2>/dev/null); do
    stty size <$terminal 2>/dev/null && exit
  done
  exit 1
  """

  @doc "Opens it. What is typed is sent to `owner` as `{:input, text}`, or `{:input, :eof}`."
  def open(owner) do
    case terminal?() && screen() do
      {:ok, screen} ->
        raw = raw()
        write(screen, @alternate)
        spawn_link(fn -> read(owner, raw) end)
        %__MODULE__{screen: screen, raw: raw, colour: colour?()}

      _none ->
        %__MODULE__{}
    end
  end

  @doc "Leaves the terminal as it was."
  def close(%{screen: nil}), do: :ok

  def close(%{screen: screen, raw: raw}) do
    write(screen, @normal)
    :file.close(screen)
    if raw, do: apply(:shell, :start_interactive, [{:noshell, :cooked}])
    :ok
  end

  # Opened by itself: while a process waits for input, the VM's own device for output and input may do neither.
  defp screen, do: :file.open("/dev/tty", [:write, :raw, :binary])

  defp write(screen, text), do: :file.write(screen, text)

  # When it starts, Elixir records whether standard output is a terminal. An IEx shell is a terminal too, and its input is its own.
  defp terminal?, do: Application.get_env(:elixir, :ansi_enabled, false) or tty?()

  # New in OTP 26.
  defp tty? do
    function_exported?(:prim_tty, :isatty, 1) and apply(:prim_tty, :isatty, [:stdout]) == true
  end

  # See https://no-color.org: any text but an empty one.
  defp colour?, do: System.get_env("NO_COLOR") in [nil, ""]

  defp raw do
    String.to_integer(System.otp_release()) >= 28 and
      apply(:shell, :start_interactive, [{:noshell, :raw}]) == :ok
  end

  defp read(owner, raw) do
    text = if raw, do: IO.getn("", 1), else: IO.gets("")

    if is_binary(text) do
      send(owner, {:input, text})
      read(owner, raw)
    else
      send(owner, {:input, :eof})
    end
  end

  @doc "`{columns, rows}`."
  def size(%{screen: nil}), do: @default

  # Not by `:io.columns/0`, which waits while a process waits for input. The VM starts programs in a session of their own, where
  # /dev/tty is not there: they open the VM's terminal by its name.
  def size(_terminal) do
    with {text, 0} <- System.cmd("sh", ["-c", @size, "sh", System.pid()], stderr_to_stdout: true),
         [rows, columns] <- String.split(text),
         {rows, ""} when rows > 0 <- Integer.parse(rows),
         {columns, ""} when columns > 0 <- Integer.parse(columns) do
      {columns, rows}
    else
      _ -> @default
    end
  rescue
    _ -> @default
  end

  @doc "Draws the lines from the top, and `help` below them. A raw terminal does not return to the first column by itself."
  def draw(%{screen: screen, raw: raw}, lines, help, height) do
    newline = if raw, do: "\r\n", else: "\n"
    last = if length(lines) < height - 1, do: ["", help], else: [help]

    write(screen, [
      @home,
      Enum.map(lines, &[&1, @erase_line, newline]),
      Enum.intersperse(last, [@erase_line, newline]),
      @erase_line,
      @erase_below
    ])
  end

  @doc "Prints the lines and a blank one."
  def print(lines), do: IO.write([Enum.map(lines, &[&1, ?\n]), ?\n])
end
