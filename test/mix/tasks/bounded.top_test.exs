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

    defp typed(words, env) do
      command = "mix bounded.top --frames 3"
      # Not before the first frame is there, as nobody reads what is typed before.
      type = "(sleep 3; for word in #{words}; do printf \"$word\"; sleep 1; done)"
      shell = "#{type} | timeout 60 script -qec '#{command}' /dev/null"

      env =
        [{"MIX_ENV", "test"}, {"TERM", "xterm"}, {"NO_COLOR", nil} | env] ++ Cover.environment()

      {text, _} = System.cmd("sh", ["-c", shell], env: env)
      text
    end

    @tag :slow
    test "a word and Enter sort and quit, and so do keys from OTP 28 on" do
      text = typed("memory\\\\n quit\\\\n", [])
      assert text =~ "by memory"
      # It entered the second screen, and left it.
      assert text =~ "\e[?1049h"
      assert text =~ "\e[?25h\e[?1049l"
      assert text =~ "\e[32m"

      if String.to_integer(System.otp_release()) >= 28 do
        assert text =~ "g growth  m memory"
      else
        assert text =~ "and Enter"
      end
    end

    @tag :slow
    test "NO_COLOR turns colours off" do
      text = typed("quit\\\\n", [{"NO_COLOR", "1"}])
      assert text =~ "by growth"
      refute text =~ "\e[32m"
    end
  end
end
