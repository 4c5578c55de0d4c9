defmodule Mix.Tasks.Bounded.TopTest do
  use ExUnit.Case, async: true

  alias Bounded.Test.Cover
  alias Mix.Tasks.Bounded.Top

  test "prints plain text where the output is no terminal" do
    {text, 0} =
      System.cmd("mix", ["bounded.top", "--frames", "1", "--sort", "memory"],
        env: [{"MIX_ENV", "test"} | Cover.environment()],
        stderr_to_stdout: true
      )

    assert text =~ ~r/^processes: \d+, by memory$/m
    refute text =~ "\e"
  end

  test "refuses what it does not know" do
    refuses = fn args, message -> assert_raise Mix.Error, message, fn -> Top.run(args) end end
    assert_raise OptionParser.ParseError, ~r/--nod/, fn -> Top.run(["--nod", "a"]) end
    refuses.(["app@host"], ~r/options only, got: app@host/)
    refuses.(["--sort", "size"], ~r/growth, memory, binaries, queue, got: size/)
    refuses.(["--interval", "1"], ~r/from 2 to 3600, got: 1/)
    refuses.(["--frames", "0"], ~r/--frames is a number from 1/)
  end

  # A terminal made by `script`, of util-linux, whose input is what is typed.
  describe "in a terminal" do
    @describetag skip: is_nil(System.find_executable("script"))

    # Starts the task there.
    defp open(env) do
      command = ["-qec", "stty rows 50 cols 130; exec mix bounded.top --interval 2", "/dev/null"]
      variables = [{"MIX_ENV", "test"}, {"TERM", "xterm"}, {"NO_COLOR", nil} | env]
      variables = variables ++ Cover.environment()

      port =
        Port.open({:spawn_executable, System.find_executable("script")}, [
          :binary,
          :exit_status,
          args: command,
          env:
            for({name, value} <- variables, do: {~c"#{name}", (value && ~c"#{value}") || false})
        ])

      {:os_pid, pid} = Port.info(port, :os_pid)
      # Where the test failed it is still there.
      on_exit(fn -> System.cmd("kill", ["#{pid}"], stderr_to_stdout: true) end)
      port
    end

    defp type(port, text), do: Port.command(port, text)

    # What it has shown when it has shown what is expected, or has ended.
    defp shown(port, expected, text \\ "") do
      receive do
        {^port, {:data, data}} ->
          text = text <> data
          if text =~ expected, do: text, else: shown(port, expected, text)
      after
        60_000 -> flunk("nothing like #{inspect(expected)} in #{inspect(text)}")
      end
    end

    defp ended(port, text \\ "") do
      receive do
        {^port, {:data, data}} -> ended(port, text <> data)
        {^port, {:exit_status, status}} -> {text, status}
      after
        60_000 -> flunk("it has not ended, after #{inspect(text)}")
      end
    end

    defp plain(line), do: String.replace(line, ~r/\e\[[?\d;]*[a-zA-Z]/, "")

    # From OTP 28 on a key is enough.
    defp enter, do: if(String.to_integer(System.otp_release()) >= 28, do: "", else: "\n")

    test "a word and Enter sort and quit, and so do keys from OTP 28 on" do
      port = open([])
      first = shown(port, "by growth")
      # It entered the second screen.
      assert first =~ "\e[?1049h"
      assert first =~ "\e[32m"
      # As wide as the terminal is.
      widths = for line <- String.split(first, ~r/\r?\n/), do: line |> plain() |> String.length()
      assert Enum.max(widths) in 120..130
      rest = if first =~ "quit", do: first, else: first <> shown(port, "quit")

      if String.to_integer(System.otp_release()) >= 28 do
        assert rest =~ "g growth  m memory"
      else
        assert rest =~ "and Enter"
      end

      for {key, by} <- [{"m", "memory"}, {"b", "binaries"}, {"n", "messages"}, {"g", "growth"}] do
        type(port, key <> enter())
        shown(port, "by #{by}")
      end

      # What is no command draws once more.
      type(port, "x" <> enter())
      shown(port, "by growth")
      type(port, "q" <> enter())
      assert {left, 0} = ended(port)
      assert left =~ "\e[?25h\e[?1049l"
    end

    test "NO_COLOR turns colours off" do
      port = open([{"NO_COLOR", "1"}])
      shown = shown(port, "by growth")
      type(port, "q" <> enter())
      assert {left, 0} = ended(port)
      refute shown <> left =~ "\e[32m"
    end
  end
end
